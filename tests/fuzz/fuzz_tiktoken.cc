// Any bytes as tiktoken ranks: an error that says something, or a vocabulary that the format takes.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "formats/foreign/tiktoken.h"
#include "formats/tern/validate.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes{reinterpret_cast<const std::byte*>(data), size};
  const auto ranks = tern::parse_tiktoken(bytes, "fuzz");
  if (!ranks.ok()) {
    if (ranks.status().message().size() < 8) std::abort();
    return 0;
  }
  if (!tern::is_tiktoken(bytes) || !tern::validate_tokenizer(*ranks).ok()) std::abort();
  return 0;
}
