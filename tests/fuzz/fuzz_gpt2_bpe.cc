// Any bytes as vocab.json, a NUL, and merges.txt: an error that says something, or a vocabulary that the format takes.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "formats/foreign/gpt2_bpe.h"
#include "formats/tern/validate.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t middle = std::min(text.find('\0'), text.size());
  const std::string_view merges = text.substr(std::min(middle + 1, text.size()));
  const auto vocabulary = tern::parse_gpt2_bpe({text.substr(0, middle), "vocab"}, {merges, "merges"});
  if (!vocabulary.ok()) {
    if (vocabulary.status().message().size() < 8) std::abort();
    return 0;
  }
  if (!tern::validate_tokenizer(*vocabulary).ok()) std::abort();
  return 0;
}
