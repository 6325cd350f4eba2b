// RMSNorm (Zhang & Sennrich 2019): y = (x * r) * weight with r = 1 / sqrt(sum(x^2) / n + eps),
// the sum in 16 lanes by fma and a fixed tree. V: F32x16 of an ISA.
#pragma once

#include "kernels/simd/f32x16.h"

namespace tern {

template <class V>
void rms_norm(const float* x, const float* weight, float eps, uint64_t n, float* y) {
  V squares = V::broadcast(0.f);
  simd::for_lanes<V>(n, [&](size_t i, auto load, auto) {
    const V v = load(x + i);
    squares = fma(v, v, squares);
  });
  const float mean = sum_lanes(squares) / static_cast<float>(n);
  const V r = V::broadcast(1.f / __builtin_sqrtf(mean + eps));
  simd::for_lanes<V>(n, [&](size_t i, auto load, auto store) {
    const V scaled = load(x + i) * r;
    store(weight != nullptr ? scaled * load(weight + i) : scaled, y + i);
  });
}

}  // namespace tern
