// Dense weights x f32 activations: y = fma(w, x, y) over ascending columns. Column c of a tile is 16 values.
#pragma once

#include "kernels/linear/blocking.h"

namespace tern {
namespace {

template <class V, FloatType type>
struct DenseChain {
  template <int tiles, int tokens>
  static void run(const LinearCall& call, uint64_t tile, uint64_t m) {
    constexpr uint64_t column_bytes = kTileRows * (type == FloatType::f32 ? 4 : 2);
    const std::byte* values = call.w.codes + tile * call.w.layout.tile_bytes;
    const float* x = call.in.x + m * call.in.x_stride;
    typename V::Floats y[tiles][tokens];
    fill(y, V::zero());
    for (uint64_t c = 0; c < call.w.cols; ++c, values += column_bytes) {
      typename V::Floats weights[tiles];
      unroll<tiles>([&](auto t) TERN_LAMBDA {
        const std::byte* at = values + t * call.w.layout.tile_bytes;
        weights[t] = load_values<V>(at, type, 0);
        prefetch_ahead(at);
      });
      unroll<tokens>([&](auto k) TERN_LAMBDA {
        const typename V::Floats input = V::broadcast(x[k * call.in.x_stride + c]);
        unroll<tiles>([&](auto t) TERN_LAMBDA { y[t][k] = V::fma(weights[t], input, y[t][k]); });
      });
    }
    unroll2<tiles, tokens>([&](auto t, auto k) TERN_LAMBDA { store_tile<V>(call, tile + t, m + k, y[t][k]); });
  }
};

template <class V, FloatType type>
void dense_chain(const LinearCall& call, TileRange range) {
  walk<DenseChain<V, type>, V::kFloatTiles, V::kFloatBatchTiles, V::kFloatTokens>(call, range);
}

}  // namespace
}  // namespace tern
