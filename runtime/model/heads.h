// Between the linear layers of a block and its attention: heads of q, k and v, for some tokens of a piece.
#pragma once

#include "runtime/model/block.h"

namespace tern {

// Finishes what the linear layers left in q, k and v (or fused), normalizes and rotates the heads of q and k, and puts
// keys and values into the cache of layer `layer`.
void prepare_heads(const Model::Parts& model, const MicroBatch& piece, const LinearRun& run, IndexRange tokens,
                   const Block& block, uint32_t layer);

// Of models of complex numbers: what attention left in mid, head by head, becomes a vector with all real parts before
// all imaginary ones. Overwrites q.
void join_complex_heads(const Model::Parts& model, const MicroBatch& piece, IndexRange tokens, const InputPlan& out);

}  // namespace tern
