// The forward pass of a piece: tokens of any sequences through all decoder blocks, and the head for those that
// ask; the last block only adds the keys and values of the others. Every member of a thread team calls forward() with
// the same piece. The split never changes a result: linears are dealt by row tiles to whoever is free, norms, input
// forms and output steps over whole rows by tokens, attention by (token, head).
#pragma once

#include <array>
#include <span>

#include "base/thread_team.h"
#include "runtime/model/cache_layout.h"
#include "runtime/model/linear_run.h"
#include "runtime/model/parts.h"
#include "runtime/model/profile.h"

namespace tern {

inline constexpr size_t kOwnInputs = 3;  // at most: q, k, v

struct BatchToken {
  int32_t id = 0;
  uint32_t position = 0;
  const CacheBlock* blocks = nullptr;  // of its sequence, through this position; writable by this piece
};

// Sees what the linear layers read, before rounding (calibration). Called by every member of the team, each with a
// column range of its own, for all tokens of a piece at once.
class InputObserver {
 public:
  virtual ~InputObserver() = default;
  // x: [tokens][stride], columns [begin, end) of it are this member's.
  virtual void see(const LinearPlan& linear, const float* x, uint64_t stride, uint64_t tokens,
                   ThreadTeam::Member::Range columns) = 0;
};

struct MicroBatch {
  std::span<const BatchToken> tokens;
  std::span<const uint32_t> wanted;    // indices into tokens, ascending
  std::span<const BatchToken> asking;  // the tokens at these indices
  float* logits = nullptr;             // [wanted][vocab_size]
  CacheLayout cache;
  InputObserver* observer = nullptr;
  Profile* profile = nullptr;

  // Workspace, per token.
  float *x = nullptr, *added = nullptr;            // hidden_size: residual stream, what a layer adds
  float *q = nullptr, *k = nullptr, *v = nullptr;  // heads * head_dim, kv_heads * head_dim
  float *gate = nullptr, *up = nullptr;            // ffn_size
  float* fused = nullptr;                          // of a fused layer: q, k, v or up, gate
  float *cos = nullptr, *sin = nullptr;            // head_dim / 2
  LinearInputBuffer in, mid;                       // of attn.in, ffn.in, head.in; of attn.out, ffn.mid
  std::array<LinearInputBuffer, kOwnInputs> own;   // of the layers that have inputs of their own; they share in.x
  std::span<const MemberScratch> scratch;          // per member
};

// On return the keys and values of the tokens are in the cache and the logits are written.
void forward(const Model::Parts& model, const MicroBatch& piece, const ThreadTeam::Member& member);

}  // namespace tern
