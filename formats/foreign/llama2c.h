// Karpathy's llama2.c files: checkpoint versions 0 (float) and 2 (int8 groups), and tokenizer.bin.
// Sources: karpathy/llama2.c export.py (legacy_export, version2_export), runq.c, tokenizer.py (export).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "formats/tern/description.h"

namespace tern {

enum class Llama2cTensor : uint8_t {
  embedding,
  attention_norm,
  wq,
  wk,
  wv,
  wo,
  ffn_norm,
  w1,
  w2,
  w3,
  final_norm,
  head
};
inline constexpr size_t kLlama2cTensors = 12;

// One matrix (or norm vector: rows = 1) of one layer, as byte offsets into the file.
struct Llama2cPart {
  uint64_t rows = 0, cols = 0;
  uint64_t values = 0;  // offset of f32 values, or of int8 codes
  uint64_t scales = 0;  // int8: offset of f32 scales, one per `group` consecutive values of the matrix
  bool int8 = false;
};

struct Llama2cFile {
  uint32_t version = 0;  // 0 or 2
  uint32_t dim = 0, hidden = 0, layers = 0, heads = 0, kv_heads = 0, vocab = 0, context = 0;
  uint32_t group = 0;  // version 2
  bool tied = true;
  std::array<std::vector<Llama2cPart>, kLlama2cTensors> parts;  // [tensor][layer]; head empty when tied

  const Llama2cPart& part(Llama2cTensor tensor, uint32_t layer = 0) const {
    return parts[static_cast<size_t>(tensor)][layer];
  }
};

// The file's size must be exactly what its header says.
Result<Llama2cFile> parse_llama2c(std::span<const std::byte> bytes, const std::string& name);

// tokenizer.bin does not say how many pieces it holds: it must end after exactly `vocab_size`.
// Pieces 3..258 must be the byte tokens, as run.c takes them to be.
Result<TokenizerData> parse_llama2c_tokenizer(std::span<const std::byte> bytes, uint32_t vocab_size,
                                              const std::string& name);

}  // namespace tern
