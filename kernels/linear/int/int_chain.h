// Weights of 4, 6 and 8 bits x f32 activations.
#pragma once

#include "kernels/linear/float_chain.h"
#include "kernels/linear/int/int_unit.h"

namespace tern {
namespace {

template <class V, int bits>
struct IntWeights {
  using Unit = IntUnit<V, bits>;
  static constexpr int kBlocks = Unit::kBlocks, kColumns = 4 * Unit::kSteps;
  template <int column>
  TERN_INLINE static typename V::Floats at(const typename V::Codes (&blocks)[kBlocks]) {
    return V::template int_weights<column % 4, 1 << (bits - 1)>(Unit::template bytes<column / 4>(blocks));
  }
};

template <class V, int bits>
void int_chain(const LinearCall& call, TileRange range) {
  walk<ScaledChain<V, IntWeights<V, bits>>, V::kCodeTiles, V::kFloatBatchTiles, V::kFloatTokens>(call, range);
}

}  // namespace
}  // namespace tern
