// Attention of one query head over a cache of 32-position blocks, in one canonical order: blocks
// anchored at absolute positions 0, 32, 64, ..., the same in prefill and decode (online softmax,
// Milakov & Gimelshein 2018). A block holds keys [32][head_dim] then values [32][head_dim] of one KV head.
#pragma once

#include <cstdint>

namespace tern {

inline constexpr uint64_t kCacheBlock = 32;

// Running state of one head; out = accumulator / sum once all blocks are seen.
struct AttentionState {
  float max;           // -infinity before the first block
  float sum;           // of exp(score - max)
  float* accumulator;  // [head_dim], zero before the first block
};
// attend_block, for positions j < count of a block (or of its rest, where a sliding window begins inside it):
//   s_j = scale * dot(q, k_j)          dot: 16 virtual lanes, fma, fixed tree
//   m' = max(m, max_j s_j); c = exp(m - m') (0 for the first block); p_j = exp(s_j - m')
//   sum = fma(sum, c, chain of p_j ascending); acc = acc * c, then acc = fma(p_j, v_j, acc) ascending j

}  // namespace tern
