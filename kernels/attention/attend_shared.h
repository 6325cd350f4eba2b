// Attention of several queries over one cache block: keys and values become f32 once, keys transposed, so that 16
// positions are 16 lanes of a register and the tree over the virtual lanes of a dot product costs vertical additions.
#pragma once

#include "kernels/attention/attention.h"
#include "kernels/simd/exp_lanes.h"
#include "kernels/simd/unroll.h"

namespace tern {

// From scores to probabilities p[begin, end), not divided by their sum; the state goes on. Returns the decay of what
// is accumulated. Entries outside [begin, end) may hold any number.
template <class V>
float update_softmax(AttentionQuery& query, float* p) {
  float largest = query.state.max;
  for (uint64_t j = query.begin; j < query.end; ++j) largest = p[j] > largest ? p[j] : largest;
  float decays[simd::kLanes];
  simd::exp_lanes(V::broadcast(query.state.max - largest)).store(decays);
  for (uint64_t j = 0; j < kCacheBlock; j += simd::kLanes) {
    simd::exp_lanes(V::load(p + j) - V::broadcast(largest)).store(p + j);
  }
  float sum = 0.f;
  for (uint64_t j = query.begin; j < query.end; ++j) sum += p[j];
  query.state.max = largest;
  query.state.sum = __builtin_fmaf(query.state.sum, decays[0], sum);
  return decays[0];
}

// Positions before `end`; zeros after them, and where head_dim ends inside 16 lanes.
template <class V, class Array>
void unpack_keys(const Array& keys, uint64_t d, uint64_t end, float* out) {
  for (uint64_t i = 0; i < d; i += simd::kLanes) {
    const uint64_t lanes = d - i < simd::kLanes ? d - i : simd::kLanes;
    for (uint64_t j = 0; j < kCacheBlock; ++j) {
      float column[simd::kLanes] = {};
      if (j < end) (lanes == simd::kLanes ? keys.load(j * d + i) : keys.load(j * d + i, lanes)).store(column);
      for (uint64_t l = 0; l < simd::kLanes; ++l) out[(i + l) * kCacheBlock + j] = column[l];
    }
  }
}

template <class V, class Array>
void unpack_values(const Array& values, uint64_t d, uint64_t stride, uint64_t end, float* out) {
  for (uint64_t j = 0; j < end; ++j) {
    uint64_t i = 0;
    for (; i + simd::kLanes <= d; i += simd::kLanes) values.load(j * d + i).store(out + j * stride + i);
    if (i < d) values.load(j * d + i, d - i).store(out + j * stride + i);
  }
}

// Scores of 16 positions for n queries. A node of the tree of sum_lanes: lanes `lane`, lane + span, ... of the dot
// product; a leaf is the chain of one lane.
template <class V, int n>
struct ScoreTree {
  struct Sums {
    V of[n];
  };
  const float* const (&q)[n];
  const float* keys;
  uint64_t d, padded;

  template <int lane, int span>
  TERN_INLINE Sums node() const {
    if constexpr (span == simd::kLanes) {
      return chain(lane);
    } else {
      Sums a = node<lane, 2 * span>();
      const Sums b = node<lane + span, 2 * span>();
      unroll<n>([&](auto k) TERN_LAMBDA { a.of[k] = a.of[k] + b.of[k]; });
      return a;
    }
  }

 private:
  TERN_INLINE Sums chain(uint64_t lane) const {
    Sums s;
    unroll<n>([&](auto k) TERN_LAMBDA { s.of[k] = V::broadcast(0.f); });
    uint64_t i = lane;
    for (; i < d; i += simd::kLanes) {
      const V column = V::load(keys + i * kCacheBlock);
      unroll<n>([&](auto k) TERN_LAMBDA { s.of[k] = fma(V::broadcast(q[k][i]), column, s.of[k]); });
    }
    if (i < padded) {  // fma(0, 0, s) makes 0 of -0
      unroll<n>([&](auto k) TERN_LAMBDA { s.of[k] = s.of[k] + V::broadcast(0.f); });
    }
    return s;
  }
};

template <class V, int n>
void score(const AttentionQuery* queries, const float* keys, uint64_t d, uint64_t padded, float scale, float* p) {
  const float* q[n];
  for (int k = 0; k < n; ++k) q[k] = queries[k].q;
  for (uint64_t j = 0; j < kCacheBlock; j += simd::kLanes) {
    const auto sums = ScoreTree<V, n>{q, keys + j, d, padded}.template node<0, 1>();
    unroll<n>([&](auto k) TERN_LAMBDA { (V::broadcast(scale) * sums.of[k]).store(p + k * kCacheBlock + j); });
  }
}

// kParts * 16 values of the accumulators of n queries that see the same positions.
template <class V, int n, int kParts>
TERN_INLINE void add_shared(const AttentionQuery* queries, const float* p, const float* decays, const float* values,
                            uint64_t stride, uint64_t i) {
  V acc[n][kParts];
  unroll2<n, kParts>([&](auto k, auto part) TERN_LAMBDA {
    acc[k][part] = V::load(queries[k].state.accumulator + i + part * simd::kLanes) * V::broadcast(decays[k]);
  });
  for (uint64_t j = queries[0].begin; j < queries[0].end; ++j) {
    V value[kParts];
    unroll<kParts>([&](auto part)
                       TERN_LAMBDA { value[part] = V::load(values + j * stride + i + part * simd::kLanes); });
    unroll<n>([&](auto k) TERN_LAMBDA {
      const V weight = V::broadcast(p[k * kCacheBlock + j]);
      unroll<kParts>([&](auto part) TERN_LAMBDA { acc[k][part] = fma(weight, value[part], acc[k][part]); });
    });
  }
  unroll2<n, kParts>([&](auto k, auto part)
                         TERN_LAMBDA { acc[k][part].store(queries[k].state.accumulator + i + part * simd::kLanes); });
}

template <class V>
void add_shared_tail(const AttentionQuery& query, const float* p, float decay, const float* values, uint64_t stride,
                     uint64_t i, uint64_t d) {
  V acc = simd::load_tail<V>(query.state.accumulator + i, d - i) * V::broadcast(decay);
  for (uint64_t j = query.begin; j < query.end; ++j)
    acc = fma(V::broadcast(p[j]), V::load(values + j * stride + i), acc);
  simd::store_tail(acc, query.state.accumulator + i, d - i);
}

template <class V, int n>
void accumulate(const AttentionQuery* queries, const float* p, const float* decays, const float* values,
                uint64_t stride, uint64_t d) {
  uint64_t i = 0;
  for (; i + 2 * simd::kLanes <= d; i += 2 * simd::kLanes) add_shared<V, n, 2>(queries, p, decays, values, stride, i);
  for (; i + simd::kLanes <= d; i += simd::kLanes) add_shared<V, n, 1>(queries, p, decays, values, stride, i);
  for (int k = 0; i < d && k < n; ++k)
    add_shared_tail<V>(queries[k], p + k * kCacheBlock, decays[k], values, stride, i, d);
}

// Pairs of queries share loads. Two that see other positions are accumulated one by one.
template <class V, class Keys, class Values>
void attend_shared(const Keys& keys, const Values& values, const AttentionBlock& block, AttentionQuery* queries,
                   uint64_t count, float* scratch) {
  const uint64_t d = block.head_dim, padded = (d + simd::kLanes - 1) / simd::kLanes * simd::kLanes;
  float *k = scratch, *v = k + padded * kCacheBlock, *p = v + padded * kCacheBlock;
  float decays[kMaxAttentionQueries];
  uint64_t end = 0;
  for (uint64_t i = 0; i < count; ++i) end = queries[i].end > end ? queries[i].end : end;
  unpack_keys<V>(keys, d, end, k);
  unpack_values<V>(values, d, padded, end, v);
  uint64_t i = 0;
  for (; i + 2 <= count; i += 2) score<V, 2>(queries + i, k, d, padded, block.scale, p + i * kCacheBlock);
  if (i < count) score<V, 1>(queries + i, k, d, padded, block.scale, p + i * kCacheBlock);
  for (i = 0; i < count; ++i) decays[i] = update_softmax<V>(queries[i], p + i * kCacheBlock);
  for (i = 0; i < count;) {
    const bool pair = i + 1 < count && queries[i].begin == queries[i + 1].begin && queries[i].end == queries[i + 1].end;
    if (pair) {
      accumulate<V, 2>(queries + i, p + i * kCacheBlock, decays + i, v, padded, d);
    } else {
      accumulate<V, 1>(queries + i, p + i * kCacheBlock, decays + i, v, padded, d);
    }
    i += pair ? 2 : 1;
  }
}

}  // namespace tern
