// The forward pass of a piece: tokens of any sequences through all decoder blocks, and the head for those that
// ask. Every member of a thread team calls forward() with the same piece. The split never changes a result:
// linears are cut by row tiles, norms and rounding by tokens, attention by (token, head).
#pragma once

#include <array>
#include <span>

#include "base/thread_team.h"
#include "runtime/model/cache_layout.h"
#include "runtime/model/parts.h"

namespace tern {

inline constexpr size_t kOwnInputs = 3;  // at most: q, k, v

struct BatchToken {
  int32_t id = 0;
  uint32_t position = 0;
  const CacheBlock* blocks = nullptr;  // of its sequence, through this position; writable by this piece
};

// The input of the linears of one record, in the forms that its InputPlan asks for (strides: InputPlan).
struct LinearInputBuffer {
  float* x = nullptr;
  int8_t* codes = nullptr;  // 64-byte aligned
  float* scales = nullptr;
  int32_t* sums = nullptr;
};

struct MicroBatch {
  std::span<const BatchToken> tokens;
  std::span<const uint32_t> wanted;  // indices into tokens, ascending
  float* logits = nullptr;           // [wanted][vocab_size]
  CacheLayout cache;

  // Workspace, per token.
  float *x = nullptr, *added = nullptr;            // hidden_size: residual stream, what a layer adds
  float *q = nullptr, *k = nullptr, *v = nullptr;  // heads * head_dim, kv_heads * head_dim
  float *gate = nullptr, *up = nullptr;            // ffn_size
  float *cos = nullptr, *sin = nullptr;            // head_dim / 2
  LinearInputBuffer in, mid;                       // of attn.in, ffn.in, head.in; of attn.out, ffn.mid
  std::array<LinearInputBuffer, kOwnInputs> own;   // of the layers that have inputs of their own
  std::span<std::byte* const> scratch;             // kLinearScratchBytes per member
};

// On return the keys and values of the tokens are in the cache and the logits are written.
void forward(const Model::Parts& model, const MicroBatch& piece, const ThreadTeam::Member& member);

}  // namespace tern
