// Any bytes as a file of questions, what follows a NUL as its labels: an error that says something, or questions that
// can be asked.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "runtime/eval/choice_file.h"

namespace {

void read(std::string_view text, std::string_view after, bool with_labels, tern::ChoiceFormat format) {
  const tern::NamedText questions{"fuzz", text}, labels{"labels", after};
  const auto file = tern::parse_choices(questions, format, with_labels ? &labels : nullptr);
  if (!file.ok()) {
    if (file.status().message().size() < 8) std::abort();
    return;
  }
  if (file->items.empty() || file->format == tern::ChoiceFormat::automatic) std::abort();
  for (const tern::ChoiceItem& item : file->items) {
    if (item.context.empty() || item.endings.size() < 2 || item.answer >= item.endings.size()) std::abort();
    for (const std::string& ending : item.endings) {
      if (ending.empty()) std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using Format = tern::ChoiceFormat;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t cut = all.find('\0');
  const bool with_labels = cut != std::string_view::npos;
  const std::string_view labels = with_labels ? all.substr(cut + 1) : std::string_view();
  for (const Format format : {Format::automatic, Format::hellaswag, Format::piqa, Format::arc}) {
    read(all.substr(0, cut), labels, with_labels, format);
  }
  return 0;
}
