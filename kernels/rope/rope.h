// Rotary position embedding (Su et al. 2021) of one head: each pair (a, b) becomes
// (a cos - b sin, b cos + a sin), every product rounded. V: F32x16 of an ISA.
#pragma once

#include "kernels/simd/f32x16.h"

namespace tern {

// Pairs (i, i + d/2).
template <class V>
void rope_halves(float* x, const float* cos, const float* sin, uint64_t d) {
  float* second = x + d / 2;
  simd::for_lanes<V>(d / 2, [&](size_t i, auto load, auto store) {
    const V a = load(x + i), b = load(second + i), c = load(cos + i), s = load(sin + i);
    store(a * c - b * s, x + i);
    store(b * c + a * s, second + i);
  });
}

// Pairs (2i, 2i + 1). The compiler's own vectors do: heads are short.
template <class V>
void rope_interleaved(float* x, const float* cos, const float* sin, uint64_t d) {
  for (uint64_t i = 0; i < d / 2; ++i) {
    const float a = x[2 * i], b = x[2 * i + 1];
    x[2 * i] = a * cos[i] - b * sin[i];
    x[2 * i + 1] = b * cos[i] + a * sin[i];
  }
}

}  // namespace tern
