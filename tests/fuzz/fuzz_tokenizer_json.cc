// Any bytes as tokenizer.json: an error that says something, or a vocabulary that the format takes.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "formats/foreign/tokenizer_json.h"
#include "formats/tern/validate.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto vocabulary = tern::parse_tokenizer_json(text, "fuzz");
  if (!vocabulary.ok()) {
    if (vocabulary.status().message().size() < 8) std::abort();
    return 0;
  }
  if (!tern::validate_tokenizer(*vocabulary).ok()) std::abort();
  return 0;
}
