// int8 activations, dot products: y = fma(float(S), w_scale * a_scale, y) over groups and planes (linear.h).
// Traits of an encoding (trit_dot.h, int_dot.h) say how a run of blocks becomes S.
#pragma once

#include "kernels/linear/blocking.h"

namespace tern {
namespace {

template <class V, class Traits>
struct IntegerDot {
  template <int tiles, int tokens>
  static void run(const LinearCall& call, uint64_t tile, uint64_t m) {
    const WeightView& w = call.w;
    const uint64_t stride = group_stride(w.layout);
    typename V::Floats y[tiles][tokens];
    fill(y, V::zero());
    for (uint64_t g = 0; g < w.layout.groups; ++g) {
      const int8_t* a = call.in.codes + m * call.in.code_stride + g * stride;
      int32_t zero[tokens];
      float scale[tokens];
      unroll<tokens>([&](auto k) TERN_LAMBDA {
        zero[k] = Traits::kZero == 0 ? 0 : Traits::kZero * activation_sum(call.in, w.layout.groups, stride, m + k, g);
        scale[k] = activation_scale(call.in, m + k, g);
      });
      for (uint64_t p = 0; p < w.encoding.planes; ++p) {
        typename V::Ints sums[tiles][tokens];
        Traits::template sum<tiles, tokens>(tile_run(w, tile, g, p), w.layout.group_blocks, a, call.in.code_stride, sums);
        unroll<tiles>([&](auto t) TERN_LAMBDA {
          const typename V::Floats scales = load_scales<V>(w, tile + t, g, p);
          unroll<tokens>([&](auto k) TERN_LAMBDA {
            const typename V::Floats s = V::to_floats(V::subtract(sums[t][k], zero[k]));
            y[t][k] = V::fma(s, V::mul(scales, V::broadcast(scale[k])), y[t][k]);
          });
        });
      }
    }
    unroll2<tiles, tokens>([&](auto t, auto k) TERN_LAMBDA { store_tile<V>(call, tile + t, m + k, y[t][k]); });
  }
};

}  // namespace
}  // namespace tern
