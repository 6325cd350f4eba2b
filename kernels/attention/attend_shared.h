// Attention of several queries over one cache block: keys and values become f32 once, keys transposed, so that 16
// positions are 16 lanes of a register and the tree over the virtual lanes of a dot product costs vertical additions.
#pragma once

#include "kernels/attention/attention.h"
#include "kernels/simd/exp_lanes.h"
#include "kernels/simd/unroll.h"

namespace tern {

// The largest score that the query has met. Scores outside [begin, end) may be any number, and become -infinity.
template <class V>
float largest_score(const AttentionQuery& query, float* p) {
  for (uint64_t j = 0; j < query.begin; ++j) p[j] = -__builtin_inff();
  for (uint64_t j = query.end; j < kCacheBlock; ++j) p[j] = -__builtin_inff();
  V best = V::broadcast(query.state.max);
  for (uint64_t i = 0; i < kCacheBlock; i += simd::kLanes) {
    const V scores = V::load(p + i);
    best = choose(greater(scores, best), scores, best);
  }
  return max_lanes(best) + 0.f;  // one zero: ISAs differ in which of 0 and -0 is the larger
}

// Returns the sum of the probabilities that the scores become.
template <class V>
float probabilities(float largest, float* p) {
  V sums = V::broadcast(0.f);
  for (uint64_t i = 0; i < kCacheBlock; i += simd::kLanes) {
    const V e = simd::exp_lanes(V::load(p + i) - V::broadcast(largest));
    e.store(p + i);
    sums = sums + e;
  }
  return sum_lanes(sums);
}

// From scores to probabilities, those of [begin, end), not divided by their sum, for `count` queries with kCacheBlock
// scores each; their states go on. decays: of what is accumulated, up to a multiple of 16 of them are written. What
// waits for one query leaves room for the next; the exponentials of 16 decays are one.
template <class V>
void update_softmax(AttentionQuery* queries, uint64_t count, float* p, float* decays) {
  float largest[simd::kLanes], before[simd::kLanes] = {};
  for (uint64_t first = 0; first < count; first += simd::kLanes, queries += simd::kLanes, decays += simd::kLanes) {
    const uint64_t n = count - first < simd::kLanes ? count - first : simd::kLanes;
    for (uint64_t i = n; i < simd::kLanes; ++i) largest[i] = 0.f;
    for (uint64_t i = 0; i < n; ++i) {
      before[i] = queries[i].state.max;
      queries[i].state.max = largest[i] = largest_score<V>(queries[i], p + (first + i) * kCacheBlock);
    }
    simd::exp_lanes(V::load(before) - V::load(largest)).store(decays);
    for (uint64_t i = 0; i < n; ++i) {
      float& sum = queries[i].state.sum;
      sum = __builtin_fmaf(sum, decays[i], probabilities<V>(largest[i], p + (first + i) * kCacheBlock));
    }
  }
}

// One of the four steps of a transposition: lanes with the bit `distance` of their number set change places with lanes
// without it of the register that far away.
template <int distance, class V>
TERN_INLINE void exchange_lanes(V (&rows)[simd::kLanes]) {
  float lanes[simd::kLanes];
  for (uint64_t l = 0; l < simd::kLanes; ++l) lanes[l] = (l & distance) != 0 ? 0.f : 1.f;
  const auto low = greater(V::load(lanes), V::broadcast(0.f));
  unroll<simd::kLanes>([&](auto i) TERN_LAMBDA {
    if constexpr ((i & distance) == 0) {
      const V a = rows[i], b = rows[i + distance];
      rows[i] = choose(low, a, b.template exchange<distance>());
      rows[i + distance] = choose(low, a.template exchange<distance>(), b);
    }
  });
}

// Positions before `end`; zeros after them, and where head_dim ends inside 16 lanes.
template <class V, class Array>
void unpack_keys(const Array& keys, uint64_t d, uint64_t end, float* out) {
  for (uint64_t i = 0; i < d; i += simd::kLanes) {
    const uint64_t lanes = d - i < simd::kLanes ? d - i : simd::kLanes;
    for (uint64_t first = 0; first < kCacheBlock; first += simd::kLanes) {
      V rows[simd::kLanes];
      unroll<simd::kLanes>([&](auto k) TERN_LAMBDA {
        const uint64_t at = (first + k) * d + i;
        rows[k] = V::broadcast(0.f);
        if (first + k < end) rows[k] = lanes == simd::kLanes ? keys.load(at) : keys.load(at, lanes);
      });
      exchange_lanes<8>(rows), exchange_lanes<4>(rows), exchange_lanes<2>(rows), exchange_lanes<1>(rows);
      unroll<simd::kLanes>([&](auto k) TERN_LAMBDA { rows[k].store(out + (i + k) * kCacheBlock + first); });
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

// Of the positions before `end`, and up to 15 more.
template <class V, int n>
void score(const AttentionQuery* queries, const float* keys, uint64_t end, uint64_t d, uint64_t padded, float scale,
           float* p) {
  const float* q[n];
  for (int k = 0; k < n; ++k) q[k] = queries[k].q;
  for (uint64_t j = 0; j < end; j += simd::kLanes) {
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

// How many queries share loads: as many as 32 registers hold.
template <class V>
inline constexpr int kTogether = V::kParts == 1 ? 4 : 2;

// body(n), n <= kMost a power of two and not above what is left; returns n.
template <int kMost, class Body>
TERN_INLINE uint64_t take_group(uint64_t left, Body body) {
  if constexpr (kMost > 1) {
    if (left < kMost) return take_group<kMost / 2>(left, body);
  }
  body(std::integral_constant<int, kMost>());
  return kMost;
}

// How many queries from the first one on see its positions.
template <class V>
uint64_t count_alike(const AttentionQuery* queries, uint64_t count) {
  uint64_t n = 1;
  while (n < count && queries[n].begin == queries[0].begin && queries[n].end == queries[0].end) ++n;
  return n;
}

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
  for (uint64_t i = 0; i < count;) {
    i += take_group<kTogether<V>>(count - i, [&](auto n) TERN_LAMBDA {
      score<V, n>(queries + i, k, end, d, padded, block.scale, p + i * kCacheBlock);
    });
  }
  update_softmax<V>(queries, count, p, decays);
  for (uint64_t i = 0; i < count;) {
    i += take_group<kTogether<V>>(count_alike<V>(queries + i, count - i), [&](auto n) TERN_LAMBDA {
      accumulate<V, n>(queries + i, p + i * kCacheBlock, decays + i, v, padded, d);
    });
  }
}

}  // namespace tern
