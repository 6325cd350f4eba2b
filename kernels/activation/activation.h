// Gated activations, sums and products, element by element. V: F32x16 of an ISA.
//   silu_mul:  y = gate / (1 + exp(-gate)) * up      (SwiGLU, Shazeer 2020)
//   relu2_mul: y = max(0, gate)^2 * up               (Primer, So et al. 2021; BitNet b1.58 2B4T)
//   complex_relu2_mul: y = conj(a) * up, a = Re(gate)^2 + i Im(gate)^2, or 0 where both parts are negative (iFairy)
#pragma once

#include "base/half.h"
#include "kernels/simd/exp_lanes.h"

namespace tern {

template <class V>
void silu_mul(const float* gate, const float* up, uint64_t n, float* y) {
  const V zero = V::broadcast(0.f), one = V::broadcast(1.f);
  simd::for_lanes<V>(n, [&](size_t i, auto load, auto store) {
    const V g = load(gate + i);
    store(g / (one + simd::exp_lanes(zero - g)) * load(up + i), y + i);
  });
}

template <class V>
void relu2_mul(const float* gate, const float* up, uint64_t n, float* y) {
  const V zero = V::broadcast(0.f);
  simd::for_lanes<V>(n, [&](size_t i, auto load, auto store) {
    const V g = load(gate + i);
    const V positive = choose(greater(zero, g), zero, g);  // keeps NaN
    store(positive * positive * load(up + i), y + i);
  });
}

// n numbers; imaginary parts stand `half` values behind the real ones. Every product and sum is rounded.
template <class V>
void complex_relu2_mul(const float* gate, const float* up, uint64_t half, uint64_t n, float* y) {
  const V zero = V::broadcast(0.f);
  simd::for_lanes<V>(n, [&](size_t i, auto load, auto store) {
    const V re = load(gate + i), im = load(gate + half + i), u_re = load(up + i), u_im = load(up + half + i);
    const auto re_negative = greater(zero, re), im_negative = greater(zero, im);
    const V a_re = choose(re_negative, choose(im_negative, zero, re), re);
    const V a_im = choose(im_negative, choose(re_negative, zero, im), im);
    const V s_re = a_re * a_re, s_im = a_im * a_im;
    store(s_re * u_re + s_im * u_im, y + i);
    store(s_re * u_im - s_im * u_re, y + half + i);
  });
}

template <class V>
void add(const float* x, uint64_t n, float* y) {
  simd::for_lanes<V>(n, [&](size_t i, auto load, auto store) { store(load(y + i) + load(x + i), y + i); });
}

template <class V>
void add_scaled(const float* x, float scale, uint64_t n, float* y) {
  const V s = V::broadcast(scale);
  simd::for_lanes<V>(n, [&](size_t i, auto load, auto store) { store(fma(s, load(x + i), load(y + i)), y + i); });
}

template <class V>
void multiply(const float* x, uint64_t n, float* y) {
  simd::for_lanes<V>(n, [&](size_t i, auto load, auto store) { store(load(y + i) * load(x + i), y + i); });
}

// One conversion for all ISAs, outside the per-ISA file: emulators that stand in for absent hardware (Bochs 2.7)
// round ties of vcvtps2ph wrongly, and the cache takes few values per token.
template <class V>
void to_f16(const float* x, uint64_t n, uint16_t* y) {
  for (uint64_t i = 0; i < n; ++i) y[i] = f32_to_f16(x[i]);
}

}  // namespace tern
