// The body of hadamard.h for F32x16 of an ISA (V).
#pragma once

#include "kernels/hadamard/hadamard.h"
#include "kernels/simd/f32x16.h"

namespace tern {

// A stage within a register: lane i and lane i + distance. The product with +-1 is exact, so fma is a + b and a - b.
template <class V, int distance>
V butterfly(const V& v) {
  float signs[simd::kLanes];
  for (size_t i = 0; i < simd::kLanes; ++i) signs[i] = (i & distance) != 0 ? -1.f : 1.f;
  return fma(v, V::load(signs), v.template exchange<distance>());
}

template <class V>
V stages_in_register(V v, uint64_t length) {
  if (length > 1) v = butterfly<V, 1>(v);
  if (length > 2) v = butterfly<V, 2>(v);
  if (length > 4) v = butterfly<V, 4>(v);
  if (length > 8) v = butterfly<V, 8>(v);
  return v;
}

// One stage of a distance that is a multiple of the lanes.
template <class V>
void stage(float* x, uint64_t n, uint64_t distance) {
  for (uint64_t run = 0; run < n; run += 2 * distance) {
    for (float *p = x + run, *end = p + distance; p < end; p += simd::kLanes) {
      const V a = V::load(p), b = V::load(p + distance);
      (a + b).store(p);
      (a - b).store(p + distance);
    }
  }
}

// `rows` rows of matrix * run from row i on; from: the run before.
template <class V, int rows>
void multiply_rows(const HadamardShape& h, uint64_t i, const float* from, float* to) {
  simd::for_lanes<V>(h.length, [&](size_t at, auto load, auto store) {
    V sums[rows];
    for (V& sum : sums) sum = V::broadcast(0.f);
    for (uint64_t k = 0; k < h.order; ++k) {
      const V x = load(from + k * h.length + at);
      for (int r = 0; r < rows; ++r) sums[r] = fma(V::broadcast(h.matrix[(i + r) * h.order + k]), x, sums[r]);
    }
    for (int r = 0; r < rows; ++r) store(sums[r], to + (i + r) * h.length + at);
  });
}

template <class V>
void multiply_matrix(const HadamardShape& h, float* run, float* scratch) {
  for (uint64_t i = 0; i < h.order * h.length; ++i) scratch[i] = run[i];
  uint64_t i = 0;
  for (; i + 4 <= h.order; i += 4) multiply_rows<V, 4>(h, i, scratch, run);
  for (; i < h.order; ++i) multiply_rows<V, 1>(h, i, scratch, run);
}

template <class V>
void hadamard(const HadamardShape& h, uint64_t n, float* x, float* scratch) {
  simd::for_lanes<V>(n, [&](size_t i, auto load, auto store) {
    const V v = load(x + i);
    store(stages_in_register(h.signs != nullptr ? v * load(h.signs + i) : v, h.length), x + i);
  });
  for (uint64_t distance = simd::kLanes; distance < h.length; distance *= 2) stage<V>(x, n, distance);
  if (h.matrix != nullptr) {
    for (uint64_t run = 0; run < n; run += h.order * h.length) multiply_matrix<V>(h, x + run, scratch);
  }
  const V factor = V::broadcast(h.factor);
  simd::for_lanes<V>(n, [&](size_t i, auto load, auto store) { store(load(x + i) * factor, x + i); });
}

}  // namespace tern
