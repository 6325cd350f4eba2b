// Rows times factors added up, as formats/quantize/quantize_kernels.h defines it. V: F32x16 of an ISA.
#pragma once

#include "kernels/simd/f32x16.h"
#include "kernels/simd/unroll.h"

namespace tern {

inline constexpr int kSumRegisters = 4;  // that stay where they are while all rows pass

template <class V>
void add_rows(const float* rows, uint64_t stride, uint64_t count, const float* factors, uint64_t n, float* y) {
  uint64_t k = 0;
  for (; k + kSumRegisters * simd::kLanes <= n; k += kSumRegisters * simd::kLanes) {
    V sums[kSumRegisters];
    unroll<kSumRegisters>([&](auto r) TERN_LAMBDA { sums[r] = V::load(y + k + r * simd::kLanes); });
    for (uint64_t j = 0; j < count; ++j) {
      const V factor = V::broadcast(factors[j]);
      unroll<kSumRegisters>(
          [&](auto r) TERN_LAMBDA { sums[r] = sums[r] + factor * V::load(rows + j * stride + k + r * simd::kLanes); });
    }
    unroll<kSumRegisters>([&](auto r) TERN_LAMBDA { sums[r].store(y + k + r * simd::kLanes); });
  }
  simd::for_lanes<V>(n - k, [&](size_t i, auto load, auto store) {
    V sum = load(y + k + i);
    for (uint64_t j = 0; j < count; ++j) sum = sum + V::broadcast(factors[j]) * load(rows + j * stride + k + i);
    store(sum, y + k + i);
  });
}

}  // namespace tern
