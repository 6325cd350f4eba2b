// Attention of query heads over a cache of 32-position blocks, in one canonical order: blocks anchored at absolute
// positions 0, 32, 64, ..., the same in prefill and decode (online softmax, Milakov & Gimelshein 2018). A block holds
// keys [32][head_dim] then values [32][head_dim] of one KV head.
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/encoding/encoding.h"

namespace tern {

inline constexpr uint64_t kCacheBlock = 32;

// Running state of one head; out = accumulator / sum once all blocks are seen.
struct AttentionState {
  float max;           // -infinity before the first block
  float sum;           // of exp(score - max)
  float* accumulator;  // [head_dim], zero before the first block
};

// One query head, and the positions [begin, end) of the block that it sees; begin > 0 where a sliding window begins
// inside the block.
struct AttentionQuery {
  const float* q = nullptr;  // [head_dim]
  uint64_t begin = 0, end = kCacheBlock;
  AttentionState state;
};

struct AttentionBlock {
  const std::byte *keys = nullptr, *values = nullptr;  // [32][head_dim] of their types: f16 or f32
  FloatType key_type = FloatType::f16, value_type = FloatType::f16;
  uint64_t head_dim = 0;
  float scale = 1;  // of the scores
};

// attend_block, for each query and its positions j:
//   s_j = scale * dot(q, k_j)          dot: 16 virtual lanes, fma, fixed tree
//   m' = max(m, max_j s_j); c = exp(m - m') (0 for the first block); p_j = exp(s_j - m')
//   sum = fma(sum, c, sum of p_j)      16 virtual lanes, fixed tree
//   acc = acc * c, then acc = fma(p_j, v_j, acc) ascending j
// Several queries share what unpacking the block costs; how many come together never changes a bit.
inline constexpr uint64_t kMaxAttentionQueries = 64;  // of one call
// scratch: 64-byte aligned, this many bytes; may hold anything.
constexpr size_t attention_scratch_bytes(uint64_t head_dim) {
  const uint64_t padded = (head_dim + 15) / 16 * 16;
  return sizeof(float) * kCacheBlock * (padded + padded + kMaxAttentionQueries);
}

}  // namespace tern
