// f32 activations: one fma chain per output over ascending columns (linear.h). Latency is hidden by independent
// rows, tiles and tokens, never by splitting a chain.
#pragma once

#include "kernels/linear/trit/trit_packing.h"

namespace tern {
namespace {

// s[t][k] = fma(w, x, s[t][k]) over the first n of a unit's columns. at<column>(blocks) are the 16 weights.
template <class V, class Weights, int tiles, int tokens>
TERN_INLINE void chain_unit(const typename V::Codes (&unit)[tiles][Weights::kBlocks], uint64_t n, const float* x,
                            uint64_t x_stride, typename V::Floats (&s)[tiles][tokens]) {
  unroll<Weights::kColumns>([&](auto column) TERN_LAMBDA {
    if (static_cast<uint64_t>(column()) >= n) return;
    typename V::Floats weights[tiles];
    unroll<tiles>([&](auto t) TERN_LAMBDA { weights[t] = Weights::template at<column()>(unit[t]); });
    unroll<tokens>([&](auto k) TERN_LAMBDA {
      const typename V::Floats input = V::broadcast(x[k * x_stride + column()]);
      unroll<tiles>([&](auto t) TERN_LAMBDA { s[t][k] = V::fma(weights[t], input, s[t][k]); });
    });
  });
}

// Codes with scales: s = chain over a group's columns, then y = fma(w_scale, s, y). Weights says what a unit of kBlocks
// blocks holds.
template <class V, class Weights>
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
    typename V::Codes unit[tiles][Weights::kBlocks];
    const auto load = [&]() TERN_LAMBDA {
      unroll2<tiles, Weights::kBlocks>([&](auto t, auto b) TERN_LAMBDA {
        const std::byte* at = codes + t * call.w.layout.tile_bytes + b * kBlockBytes;
        unit[t][b] = V::load_codes(at);
        prefetch_ahead(at);
      });
    };
    uint64_t c = 0;
    for (; c + Weights::kColumns <= n; c += Weights::kColumns, codes += Weights::kBlocks * kBlockBytes) {
      load();
      chain_unit<V, Weights>(unit, Weights::kColumns, x + c, call.in.x_stride, s);
    }
    if (c == n) return;
    load();
    chain_unit<V, Weights>(unit, n - c, x + c, call.in.x_stride, s);
  }
};

template <class Packing, class V>
struct TritWeights {
  static constexpr int kBlocks = 1, kColumns = 4 * Packing::kPlaces;
  template <int column>
  TERN_INLINE static typename V::Floats at(const typename V::Codes (&blocks)[kBlocks]) {
    return Packing::template weights<column>(blocks[0]);
  }
};

template <class V, class Packing = TwoBits<V>>
void trit_chain(const LinearCall& call, TileRange range) {
  walk<ScaledChain<V, TritWeights<Packing, V>>, V::kCodeTiles, V::kFloatBatchTiles, V::kFloatTokens>(call, range);
}

}  // namespace
}  // namespace tern
