// attend_block of kernels/attention/attention.h over caches of f32 or f16. V: F32x16 of an ISA.
#pragma once

#include <cstddef>

#include "formats/encoding/encoding.h"
#include "kernels/attention/attention.h"
#include "kernels/simd/exp_lanes.h"

namespace tern {

// kKeys dot products at once hide the latency of each one's chain; the chains stay apart.
template <class V, int kKeys, class Array>
void dot_keys(const float* q, const Array& keys, uint64_t d, uint64_t j, float scale, float* scores) {
  V sums[kKeys];
  for (int k = 0; k < kKeys; ++k) sums[k] = V::broadcast(0.f);
  uint64_t i = 0;
  for (; i + simd::kLanes <= d; i += simd::kLanes) {
    const V x = V::load(q + i);
    for (int k = 0; k < kKeys; ++k) sums[k] = fma(x, keys.load((j + k) * d + i), sums[k]);
  }
  if (i < d) {
    const V x = simd::load_tail<V>(q + i, d - i);
    for (int k = 0; k < kKeys; ++k) sums[k] = fma(x, keys.load((j + k) * d + i, d - i), sums[k]);
  }
  for (int k = 0; k < kKeys; ++k) scores[j + k] = scale * sum_lanes(sums[k]);
}

// kParts * 16 values of the accumulator, over all positions of the block.
template <class V, int kParts, class Array>
void add_values(const float* p, const Array& values, uint64_t d, uint64_t i, uint64_t count, V decay, float* out) {
  V acc[kParts];
  for (int k = 0; k < kParts; ++k) acc[k] = V::load(out + i + k * simd::kLanes) * decay;
  for (uint64_t j = 0; j < count; ++j) {
    const V weight = V::broadcast(p[j]);
    for (int k = 0; k < kParts; ++k) acc[k] = fma(weight, values.load(j * d + i + k * simd::kLanes), acc[k]);
  }
  for (int k = 0; k < kParts; ++k) acc[k].store(out + i + k * simd::kLanes);
}

template <class V, class Array>
void add_values_tail(const float* p, const Array& values, uint64_t d, uint64_t i, uint64_t count, V decay, float* out) {
  V acc = simd::load_tail<V>(out + i, d - i) * decay;
  for (uint64_t j = 0; j < count; ++j) acc = fma(V::broadcast(p[j]), values.load(j * d + i, d - i), acc);
  simd::store_tail(acc, out + i, d - i);
}

template <class V, class Keys, class Values>
void attend(AttentionState& state, const float* q, const Keys& keys, const Values& values, uint64_t d, uint64_t count,
            float scale) {
  constexpr int kAtOnce = 4;
  float p[kCacheBlock] = {};
  uint64_t j = 0;
  for (; j + kAtOnce <= count; j += kAtOnce) dot_keys<V, kAtOnce>(q, keys, d, j, scale, p);
  for (; j < count; ++j) dot_keys<V, 1>(q, keys, d, j, scale, p);

  float largest = state.max;
  for (j = 0; j < count; ++j) largest = p[j] > largest ? p[j] : largest;
  float decays[simd::kLanes];
  simd::exp_lanes(V::broadcast(state.max - largest)).store(decays);
  for (j = 0; j < kCacheBlock; j += simd::kLanes) {
    simd::exp_lanes(V::load(p + j) - V::broadcast(largest)).store(p + j);
  }
  float sum = 0.f;
  for (j = 0; j < count; ++j) sum += p[j];
  state.max = largest;
  state.sum = __builtin_fmaf(state.sum, decays[0], sum);

  const V decay = V::broadcast(decays[0]);
  uint64_t i = 0;
  for (; i + kAtOnce * simd::kLanes <= d; i += kAtOnce * simd::kLanes) {
    add_values<V, kAtOnce>(p, values, d, i, count, decay, state.accumulator);
  }
  for (; i + simd::kLanes <= d; i += simd::kLanes) {
    add_values<V, 1>(p, values, d, i, count, decay, state.accumulator);
  }
  if (i < d) add_values_tail<V>(p, values, d, i, count, decay, state.accumulator);
}

template <class V>
void attend_block(AttentionState& state, const float* q, const std::byte* keys, const std::byte* values,
                  FloatType key_type, FloatType value_type, uint64_t head_dim, uint64_t count, float scale) {
  const simd::F32Array<V> k32{reinterpret_cast<const float*>(keys)}, v32{reinterpret_cast<const float*>(values)};
  const simd::F16Array<V> k16{reinterpret_cast<const uint16_t*>(keys)}, v16{reinterpret_cast<const uint16_t*>(values)};
  const bool wide_keys = key_type == FloatType::f32, wide_values = value_type == FloatType::f32;
  if (wide_keys && wide_values) return attend<V>(state, q, k32, v32, head_dim, count, scale);
  if (wide_keys) return attend<V>(state, q, k32, v16, head_dim, count, scale);
  if (wide_values) return attend<V>(state, q, k16, v32, head_dim, count, scale);
  attend<V>(state, q, k16, v16, head_dim, count, scale);
}

}  // namespace tern
