// exp32 of base/math.h, the same sequence of operations in 16 lanes.
#pragma once

#include "base/exp32_constants.h"
#include "kernels/simd/f32x16.h"

namespace tern::simd {

template <class V>
V exp_lanes(const V& x) {
  namespace k = exp32_constants;
  const V magic = V::broadcast(k::magic);
  const V t = fma(x, V::broadcast(k::log2_e), magic);
  const V n = t - magic;
  const V r = fma(n, V::broadcast(-k::ln2_low), fma(n, V::broadcast(-k::ln2_high), x));
  V p = V::broadcast(k::c[0]);
  for (int i = 1; i < 7; ++i) p = fma(p, r, V::broadcast(k::c[i]));
  V y = scale_by_power(p, t);
  y = choose(greater(V::broadcast(k::lowest), x), V::broadcast(0.f), y);
  y = choose(greater(x, V::broadcast(k::highest)), V::broadcast(__builtin_inff()), y);
  return choose(ordered(x), y, V::broadcast(__builtin_nanf("")));
}

}  // namespace tern::simd
