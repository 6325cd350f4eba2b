// Phase weights x f32 activations: fma chains of the signs over ascending columns (linear.h), four for a matrix and
// token: e1 and e2 with both halves.
#pragma once

#include "kernels/linear/phase/phase_outputs.h"

namespace tern {
namespace {

template <class V>
struct PhaseChain {
  template <int tiles, int tokens>
  static void run(const LinearCall& call, uint64_t tile, uint64_t m) {
    static_assert(tiles == 1);
    const WeightView& w = call.w;
    ComplexRows<V> y[tokens];
    unroll<tokens>([&](auto k) TERN_LAMBDA { y[k] = {V::zero(), V::zero()}; });
    for (uint64_t stage = 0; stage < w.encoding.planes; ++stage) {
      for (uint64_t g = 0; g < w.layout.groups; ++g) {
        for (uint64_t matrix = 0; matrix < w.encoding.bits; ++matrix) {
          Chains sums[tokens];
          sum_group(call, phase_blocks(w, tile, stage, g, matrix), call.in.x + m * call.in.x_stride, g, sums);
          const typename V::Floats re = phase_scales<V>(w, tile, stage, g, matrix, 0);
          const typename V::Floats im = phase_scales<V>(w, tile, stage, g, matrix, 1);
          const bool is_w = matrix + 1 == w.encoding.bits;
          unroll<tokens>([&](auto k) TERN_LAMBDA { add(y[k], re, im, sums[k], is_w); });
        }
      }
    }
    unroll<tokens>([&](auto k) TERN_LAMBDA { store_pair<V>(call, tile, m + k, y[k]); });
  }

 private:
  struct Chains {
    typename V::Floats e1r, e2r, e1i, e2i;
  };

  TERN_INLINE static void add(ComplexRows<V>& y, typename V::Floats re, typename V::Floats im, const Chains& e,
                              bool is_w) {
    using Floats = typename V::Floats;
    const Floats half = V::broadcast(0.5f), minus = V::broadcast(-1.f), one = V::broadcast(1.f);
    const Floats turn = V::broadcast(is_w ? 1.f : -1.f), back = V::broadcast(is_w ? -1.f : 1.f);
    const Floats r1 = V::mul(V::fma(one, e.e1r, e.e2r), half), r2 = V::mul(V::fma(one, e.e1i, e.e2i), half);
    const Floats i1 = V::mul(V::fma(minus, e.e1r, e.e2r), half), i2 = V::mul(V::fma(minus, e.e1i, e.e2i), half);
    y.real = V::fma(V::mul(turn, i2), im, V::fma(r1, re, y.real));
    y.imaginary = V::fma(i1, im, V::fma(V::mul(back, r2), re, y.imaginary));
  }

  template <int tokens>
  TERN_INLINE static void sum_group(const LinearCall& call, const std::byte* codes, const float* x, uint64_t g,
                                    Chains (&s)[tokens]) {
    const uint64_t n = call.w.layout.group_cols, step = call.w.encoding.bits * kBlockBytes;
    const float *xr = x + g * n, *xi = xr + call.w.cols / 2;
    unroll<tokens>([&](auto k) TERN_LAMBDA { s[k] = {V::zero(), V::zero(), V::zero(), V::zero()}; });
    for (uint64_t c = 0; c < n; c += kPhaseUnitCols, codes += kPhaseUnitBlocks * step) {
      const typename V::Codes blocks[2] = {V::load_codes(codes), V::load_codes(codes + step)};
      prefetch_ahead(codes);
      prefetch_ahead(codes + step);
      chain_unit(blocks, n - c, xr + c, xi + c, call.in.x_stride, s);
    }
  }

  // The first n of a unit's columns.
  template <int tokens>
  TERN_INLINE static void chain_unit(const typename V::Codes (&blocks)[2], uint64_t n, const float* xr, const float* xi,
                                     uint64_t x_stride, Chains (&s)[tokens]) {
    unroll<kPhaseUnitCols>([&](auto column) TERN_LAMBDA {
      if (static_cast<uint64_t>(column()) >= n) return;
      constexpr int block = column() % 4 / 2, bit = 8 * (column() % 2) + column() / 4;  // of a word
      const typename V::Floats e1 = V::template sign_weights<0, bit>(blocks[block]);
      const typename V::Floats e2 = V::template sign_weights<1, bit>(blocks[block]);
      unroll<tokens>([&](auto k) TERN_LAMBDA {
        const typename V::Floats r = V::broadcast(xr[k * x_stride + column()]);
        const typename V::Floats i = V::broadcast(xi[k * x_stride + column()]);
        s[k] = {V::fma(e1, r, s[k].e1r), V::fma(e2, r, s[k].e2r), V::fma(e1, i, s[k].e1i), V::fma(e2, i, s[k].e2i)};
      });
    });
  }
};

template <class V>
void phase_chain(const LinearCall& call, TileRange range) {
  walk<PhaseChain<V>, 1, 1, V::kPhaseFloatTokens>(call, range);
}

}  // namespace
}  // namespace tern
