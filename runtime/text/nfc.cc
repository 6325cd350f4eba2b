#include "runtime/text/nfc.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>

namespace tern {
namespace {

Status check_marks(std::string_view text) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  int marks = 0;
  for (size_t at = 0; at < text.size();) {
    utf8proc_int32_t point = 0;
    const auto length = utf8proc_iterate(bytes + at, static_cast<utf8proc_ssize_t>(text.size() - at), &point);
    if (length <= 0) return internal_error("utf8proc refuses valid UTF-8");
    at += static_cast<size_t>(length);
    marks = utf8proc_get_property(point)->combining_class != 0 ? marks + 1 : 0;
    if (marks > kMaxMarks) {
      return invalid_argument(fmt::format("the text has more than {} combining marks in a row", kMaxMarks));
    }
  }
  return {};
}

}  // namespace

Result<std::string> to_nfc(std::string_view text) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < 0x80; })) {
    return std::string(text);
  }
  TERN_TRY(check_marks(text));
  utf8proc_uint8_t* normal = nullptr;
  const auto length =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                   &normal, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (length < 0) {
    if (length == UTF8PROC_ERROR_NOMEM) return out_of_memory("not enough memory to normalize a text");
    return internal_error(fmt::format("utf8proc failed: {}", utf8proc_errmsg(length)));
  }
  std::string out(reinterpret_cast<const char*>(normal), static_cast<size_t>(length));
  std::free(normal);
  return out;
}

}  // namespace tern
