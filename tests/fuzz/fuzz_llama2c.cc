// Any bytes as a llama2.c checkpoint and as its tokenizer: an error, or parts that lie inside the file.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "formats/foreign/llama2c.h"

namespace {

constexpr uint32_t kVocabulary = 262;  // of the tokenizer in the corpus

void use_checkpoint(std::span<const std::byte> bytes) {
  const auto file = tern::parse_llama2c(bytes, "fuzz");
  if (!file.ok()) return;
  unsigned sum = 0;
  for (const auto& layers : file->parts) {
    for (const tern::Llama2cPart& part : layers) {
      const uint64_t count = part.rows * part.cols;
      for (std::byte b : bytes.subspan(part.values, part.int8 ? count : 4 * count)) sum += std::to_integer<unsigned>(b);
      if (!part.int8) continue;
      for (std::byte b : bytes.subspan(part.scales, count / file->group * 4)) sum += std::to_integer<unsigned>(b);
    }
  }
  volatile unsigned sink = sum;
  (void)sink;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  use_checkpoint(bytes);
  const auto tokenizer = tern::parse_llama2c_tokenizer(bytes, kVocabulary, "fuzz");
  if (tokenizer.ok() && tokenizer->pieces.size() != kVocabulary) std::abort();
  return 0;
}
