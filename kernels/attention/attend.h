// attend_block of kernels/attention/attention.h over caches of f32 or f16. V: F32x16 of an ISA. Few queries read the
// block as it lies; more share one that is unpacked for them (attend_shared.h).
#pragma once

#include "kernels/attention/attend_shared.h"

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

// kParts * 16 values of the accumulator, over the positions of the query.
template <class V, int kParts, class Array>
void add_values(const AttentionQuery& query, const float* p, const Array& values, uint64_t d, uint64_t i, V decay) {
  float* out = query.state.accumulator + i;
  V acc[kParts];
  for (int k = 0; k < kParts; ++k) acc[k] = V::load(out + k * simd::kLanes) * decay;
  for (uint64_t j = query.begin; j < query.end; ++j) {
    const V weight = V::broadcast(p[j]);
    for (int k = 0; k < kParts; ++k) acc[k] = fma(weight, values.load(j * d + i + k * simd::kLanes), acc[k]);
  }
  for (int k = 0; k < kParts; ++k) acc[k].store(out + k * simd::kLanes);
}

template <class V, class Array>
void add_values_tail(const AttentionQuery& query, const float* p, const Array& values, uint64_t d, uint64_t i,
                     V decay) {
  float* out = query.state.accumulator + i;
  V acc = simd::load_tail<V>(out, d - i) * decay;
  for (uint64_t j = query.begin; j < query.end; ++j) acc = fma(V::broadcast(p[j]), values.load(j * d + i, d - i), acc);
  simd::store_tail(acc, out, d - i);
}

template <class V, class Keys, class Values>
void attend_alone(AttentionQuery& query, const Keys& keys, const Values& values, uint64_t d, float scale) {
  constexpr int kAtOnce = 4;
  float p[kCacheBlock] = {};
  uint64_t j = query.begin;
  for (; j + kAtOnce <= query.end; j += kAtOnce) dot_keys<V, kAtOnce>(query.q, keys, d, j, scale, p);
  for (; j < query.end; ++j) dot_keys<V, 1>(query.q, keys, d, j, scale, p);
  float decays[simd::kLanes];
  update_softmax<V>(&query, 1, p, decays);
  const V decay = V::broadcast(decays[0]);
  uint64_t i = 0;
  for (; i + kAtOnce * simd::kLanes <= d; i += kAtOnce * simd::kLanes) {
    add_values<V, kAtOnce>(query, p, values, d, i, decay);
  }
  for (; i + simd::kLanes <= d; i += simd::kLanes) add_values<V, 1>(query, p, values, d, i, decay);
  if (i < d) add_values_tail<V>(query, p, values, d, i, decay);
}

template <class V, class Keys, class Values>
void attend(const Keys& keys, const Values& values, const AttentionBlock& block, AttentionQuery* queries,
            uint64_t count, float* scratch) {
  constexpr uint64_t kSharedFrom = 3;  // fewer do not pay for unpacking
  if (count >= kSharedFrom) return attend_shared<V>(keys, values, block, queries, count, scratch);
  for (uint64_t i = 0; i < count; ++i) attend_alone<V>(queries[i], keys, values, block.head_dim, block.scale);
}

template <class V>
void attend_block(const AttentionBlock& block, AttentionQuery* queries, uint64_t count, std::byte* scratch) {
  const simd::F32Array<V> k32{reinterpret_cast<const float*>(block.keys)};
  const simd::F32Array<V> v32{reinterpret_cast<const float*>(block.values)};
  const simd::F16Array<V> k16{reinterpret_cast<const uint16_t*>(block.keys)};
  const simd::F16Array<V> v16{reinterpret_cast<const uint16_t*>(block.values)};
  const bool wide_keys = block.key_type == FloatType::f32, wide_values = block.value_type == FloatType::f32;
  float* s = reinterpret_cast<float*>(scratch);
  if (wide_keys && wide_values) return attend<V>(k32, v32, block, queries, count, s);
  if (wide_keys) return attend<V>(k32, v16, block, queries, count, s);
  if (wide_values) return attend<V>(k16, v32, block, queries, count, s);
  attend<V>(k16, v16, block, queries, count, s);
}

}  // namespace tern
