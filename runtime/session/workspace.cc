#include "runtime/session/workspace.h"

#include <algorithm>

#include "base/checked.h"

namespace tern {

void Workspace::Widths::include(const InputPlan& plan) {
  x = std::max(x, plan.x_stride);
  forms = std::max(forms, plan.bytes);
}

LinearInputBuffer Workspace::Input::bind(uint64_t tokens, const Widths& widths) {
  return {x.grow(tokens * widths.x), forms.grow(tokens * widths.forms), tokens};
}

void Workspace::bind_inputs(uint64_t tokens, MicroBatch& piece) {
  Widths in, mid, own;
  in.include(model_.head_in);
  for (const Block& b : model_.blocks) {
    in.include(b.attn_in), in.include(b.ffn_in);
    mid.include(b.attn_out), mid.include(b.ffn_mid);
    for (const InputPlan& plan : b.attn_own) own.include(plan);
    for (const InputPlan& plan : b.ffn_own) own.include(plan);
  }
  piece.in = in_.bind(tokens, in);
  piece.mid = mid_.bind(tokens, mid);
  for (size_t i = 0; i < kOwnInputs && own.x != 0; ++i) {
    piece.own[i] = {piece.in.x, own_[i].grow(tokens * own.forms), tokens};
  }
}

void Workspace::bind_scratch(uint64_t tokens, MicroBatch& piece) {
  uint64_t row = 0, partial = 0;
  model_.for_each_input([&](const InputPlan& plan) { row = std::max(row, align_up(plan.scratch, kTileRows)); });
  model_.for_each_linear([&](const LinearPlan& plan) {
    row = std::max(row, align_up(plan.scratch, kTileRows));
    for (const LinearTerm& term : plan.terms) partial = term.kernel != nullptr && !term.sets ? kPartialRows : partial;
  });
  const uint64_t each = std::max<uint64_t>(kLinearScratchBytes, attention_scratch_bytes(model_.config().head_dim));
  std::byte* scratch = scratch_.grow(threads_ * each);
  float* rows = rows_.grow(threads_ * row);
  float* partials = partial_.grow(threads_ * tokens * partial);
  scratch_of_.resize(threads_);
  for (unsigned i = 0; i < threads_; ++i)
    scratch_of_[i] = {scratch + i * each, rows + i * row, partials + i * tokens * partial};
  piece.scratch = scratch_of_;
}

void Workspace::bind(uint64_t tokens, MicroBatch& piece) {
  const ModelConfig& c = model_.config();
  bind_inputs(tokens, piece);
  bind_scratch(tokens, piece);
  piece.x = x_.grow(tokens * c.hidden_size);
  piece.added = added_.grow(tokens * c.hidden_size);
  piece.q = q_.grow(tokens * model_.q_size());
  piece.k = k_.grow(tokens * model_.kv_size());
  piece.v = v_.grow(tokens * model_.kv_size());
  piece.gate = gate_.grow(tokens * c.ffn_size);
  piece.up = up_.grow(tokens * c.ffn_size);
  uint64_t fused = 0;
  for (const Block& b : model_.blocks) fused = std::max({fused, b.qkv.rows, b.up_gate.rows});
  piece.fused = fused_.grow(tokens * fused);
  piece.cos = cos_.grow(tokens * (c.head_dim / 2));
  piece.sin = sin_.grow(tokens * (c.head_dim / 2));
}

}  // namespace tern
