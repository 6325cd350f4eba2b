// f32 activations: one fma chain per output over ascending columns (linear.h). Latency is hidden by independent
// rows, tiles and tokens, never by splitting a chain.
#pragma once

#include "kernels/linear/trit/trit_packing.h"

namespace tern {
namespace {

// s[t][k] = fma(w, x, s[t][k]) over the first n of the block's columns. Weights<column>(codes) are the 16 weights.
template <class V, class Weights, int columns, int tiles, int tokens>
TERN_INLINE void chain_block(const typename V::Codes (&block)[tiles], uint64_t n, const float* x, uint64_t x_stride,
                             typename V::Floats (&s)[tiles][tokens]) {
  unroll<columns>([&](auto column) TERN_LAMBDA {
    if (static_cast<uint64_t>(column()) >= n) return;
    typename V::Floats weights[tiles];
    unroll<tiles>([&](auto t) TERN_LAMBDA { weights[t] = Weights::template at<column()>(block[t]); });
    unroll<tokens>([&](auto k) TERN_LAMBDA {
      const typename V::Floats input = V::broadcast(x[k * x_stride + column()]);
      unroll<tiles>([&](auto t) TERN_LAMBDA { s[t][k] = V::fma(weights[t], input, s[t][k]); });
    });
  });
}

// Codes with scales: s = chain over a group's columns, then y = fma(w_scale, s, y).
template <class V, class Weights, int columns>
struct ScaledChain {
  template <int tiles, int tokens>
  static void run(const LinearCall& call, uint64_t tile, uint64_t m) {
    const WeightView& w = call.w;
    typename V::Floats y[tiles][tokens];
    fill(y, V::zero());
    for (uint64_t g = 0; g < w.layout.groups; ++g) {
      const float* x = call.in.x + m * call.in.x_stride + g * w.layout.group_cols;
      for (uint64_t p = 0; p < w.encoding.planes; ++p) {
        typename V::Floats s[tiles][tokens];
        sum_group(call, group_blocks(w, tile, g, p), group_columns(w, g), x, s);
        unroll<tiles>([&](auto t) TERN_LAMBDA {
          const typename V::Floats scales = load_scales<V>(w, tile + t, g, p);
          unroll<tokens>([&](auto k) TERN_LAMBDA { y[t][k] = V::fma(scales, s[t][k], y[t][k]); });
        });
      }
    }
    unroll2<tiles, tokens>([&](auto t, auto k) TERN_LAMBDA { store_tile<V>(call, tile + t, m + k, y[t][k]); });
  }

  template <int tiles, int tokens>
  TERN_INLINE static void sum_group(const LinearCall& call, const std::byte* codes, uint64_t n, const float* x,
                                    typename V::Floats (&s)[tiles][tokens]) {
    fill(s, V::zero());
    typename V::Codes block[tiles];
    uint64_t c = 0;
    for (; c + columns <= n; c += columns, codes += kBlockBytes) {
      unroll<tiles>([&](auto t) TERN_LAMBDA {
        block[t] = V::load_codes(codes + t * call.w.layout.tile_bytes);
        prefetch_ahead(codes + t * call.w.layout.tile_bytes);
      });
      chain_block<V, Weights, columns>(block, columns, x + c, call.in.x_stride, s);
    }
    if (c == n) return;
    unroll<tiles>([&](auto t) TERN_LAMBDA { block[t] = V::load_codes(codes + t * call.w.layout.tile_bytes); });
    chain_block<V, Weights, columns>(block, n - c, x + c, call.in.x_stride, s);
  }
};

template <class Packing, class V>
struct TritWeights {
  template <int column>
  TERN_INLINE static typename V::Floats at(typename V::Codes c) {
    return Packing::template weights<column>(c);
  }
};

template <class V>
struct Int8Weights {
  template <int column>
  TERN_INLINE static typename V::Floats at(typename V::Codes c) {
    return V::template int8_weights<column>(c);
  }
};

template <class V, class Packing = TwoBits<V>>
void trit_chain(const LinearCall& call, TileRange range) {
  using Weights = TritWeights<Packing, V>;
  walk<ScaledChain<V, Weights, 4 * Packing::kPlaces>, V::kCodeTiles, V::kFloatBatchTiles, V::kFloatTokens>(call, range);
}

template <class V>
void int8_chain(const LinearCall& call, TileRange range) {
  walk<ScaledChain<V, Int8Weights<V>, 4>, V::kCodeTiles, V::kFloatBatchTiles, V::kFloatTokens>(call, range);
}

}  // namespace
}  // namespace tern
