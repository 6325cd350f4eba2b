// Rounding of one token's activations to int8, per token or per group (BitNet b1.58, arXiv 2402.17764, eq. 4-5).
// A group's codes take padded_group_cols bytes, zero beyond the real columns. V: F32x16 of an ISA.
#pragma once

#include "kernels/simd/f32x16.h"

namespace tern {

template <class V>
float max_magnitude(const float* x, uint64_t n) {
  V largest = V::broadcast(0.f);
  simd::for_lanes<V>(n, [&](size_t i, auto load, auto) {
    const V v = abs(load(x + i));
    largest = choose(greater(v, largest), v, largest);
  });
  return max_lanes(largest);
}

// Returns the sum of the codes: at most 127 * 2^17 < 2^24, hence exact in float lanes.
template <class V>
int32_t round_to_int8(const float* x, uint64_t n, float inverse, int8_t* codes) {
  const V scale = V::broadcast(inverse), magic = V::broadcast(simd::kRoundMagic), zero = V::broadcast(0.f);
  V sum = zero;
  const auto round = [&](const V& v) {
    const V rounded = (v * scale + magic) - magic;
    const V code = choose(ordered(rounded), rounded, zero);
    sum = sum + code;
    return code;
  };
  uint64_t i = 0;
  for (; i + simd::kLanes <= n; i += simd::kLanes) round(V::load(x + i)).store_int8(codes + i);
  if (i < n) {
    int8_t lanes[simd::kLanes];
    round(simd::load_tail<V>(x + i, n - i)).store_int8(lanes);
    for (uint64_t j = i; j < n; ++j) codes[j] = lanes[j - i];
  }
  return static_cast<int32_t>(sum_lanes(sum));
}

template <class V>
void quantize_int8(const float* x, uint64_t cols, uint64_t groups, uint64_t group_cols, uint64_t padded_group_cols,
                   int8_t* codes, float* scales, int32_t* sums) {
  for (uint64_t g = 0; g < groups; ++g) {
    const uint64_t begin = g * group_cols;
    const uint64_t n = cols - begin < group_cols ? cols - begin : group_cols;
    const float largest = max_magnitude<V>(x + begin, n);
    const float m = largest > 1e-5f ? largest : 1e-5f;
    scales[g] = m / 127.f;
    int8_t* out = codes + g * padded_group_cols;
    sums[g] = round_to_int8<V>(x + begin, n, 127.f / m, out);
    for (uint64_t j = n; j < padded_group_cols; ++j) out[j] = 0;
  }
}

}  // namespace tern
