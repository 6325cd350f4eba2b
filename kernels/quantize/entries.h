// Errors of vectors by the entries of a codebook, as formats/quantize/quantize_kernels.h defines them: sixteen entries,
// or sixteen vectors, side by side, each sum in the order of the definition. V: F32x16 of an ISA.
#pragma once

#include "kernels/simd/f32x16.h"
#include "kernels/simd/unroll.h"

namespace tern {

inline constexpr int kEntryRegisters = 4;  // of entries at once: a broadcast value serves them all

// errors = those of n * 16 entries behind centers.
template <class V, int n>
TERN_INLINE void entry_sums(const float* x, const float* weights, unsigned length, const float* centers,
                            uint64_t entries, V (&errors)[n]) {
  unroll<n>([&](auto r) TERN_LAMBDA { errors[r] = V::broadcast(0.f); });
  for (unsigned i = 0; i < length; ++i) {
    const V value = V::broadcast(x[i]), weight = V::broadcast(weights[i]);
    unroll<n>([&](auto r) TERN_LAMBDA {
      const V difference = value - V::load(centers + i * entries + r * simd::kLanes);
      errors[r] = errors[r] + weight * (difference * difference);
    });
  }
}

// Fewer than 16 entries; lanes behind them hold what zeros give.
template <class V>
V few_entry_sums(const float* x, const float* weights, unsigned length, const float* centers, unsigned entries) {
  V sum = V::broadcast(0.f);
  for (unsigned i = 0; i < length; ++i) {
    const V difference = V::broadcast(x[i]) - simd::load_tail<V>(centers + i * entries, entries);
    sum = sum + V::broadcast(weights[i]) * (difference * difference);
  }
  return sum;
}

template <class V>
V lesser(const V& a, const V& b) {
  return choose(greater(a, b), b, a);
}

template <class V>
float least_lane(const V& v) {
  return 0.f - max_lanes(V::broadcast(0.f) - v);  // never -0
}

// The least error seen in each lane of each of a run's registers, and its entry: a number that a float holds. Every
// register is a chain of its own, and the end has no branches: which lane is the least cannot be foreseen.
template <class V>
struct LeastEntries {
  V errors[kEntryRegisters], entries[kEntryRegisters];

  LeastEntries() {
    unroll<kEntryRegisters>(
        [&](auto r) TERN_LAMBDA { errors[r] = V::broadcast(__builtin_inff()), entries[r] = V::broadcast(0.f); });
  }

  template <int r>
  void offer(const V& error, const V& entry) {
    const auto less = greater(errors[r], error);
    errors[r] = choose(less, error, errors[r]), entries[r] = choose(less, entry, entries[r]);
  }

  unsigned first_of_least(float* error) const {
    V lanes = errors[0];
    unroll<kEntryRegisters>([&](auto r) TERN_LAMBDA { lanes = lesser(lanes, errors[r]); });
    const float least = least_lane(lanes);
    const V all = V::broadcast(least), none = V::broadcast(0x1p24f);
    V first = none;
    unroll<kEntryRegisters>(
        [&](auto r) TERN_LAMBDA { first = lesser(first, choose(greater(errors[r], all), none, entries[r])); });
    if (error) *error = least;
    return static_cast<unsigned>(least_lane(first));
  }
};

template <class V>
V lane_numbers() {
  const float numbers[simd::kLanes] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return V::load(numbers);
}

// Calls body(r, k, errors) for registers of 16 entries from k on, register r of a run or the first; the last ends with
// the last entry. REQUIRES 16 of them.
template <class V, class Body>
TERN_INLINE void for_entry_sums(const float* x, const float* weights, unsigned length, const float* centers,
                                unsigned entries, const Body& body) {
  constexpr unsigned kLanes = simd::kLanes, kRun = kEntryRegisters * kLanes;
  unsigned k = 0;
  for (; k + kRun <= entries; k += kRun) {
    V errors[kEntryRegisters];
    entry_sums(x, weights, length, centers + k, entries, errors);
    unroll<kEntryRegisters>([&](auto r) TERN_LAMBDA { body(r, k + r * kLanes, errors[r]); });
  }
  for (; k < entries; k += kLanes) {
    const unsigned first = k + kLanes <= entries ? k : entries - kLanes;
    V errors[1];
    entry_sums(x, weights, length, centers + first, entries, errors);
    body(std::integral_constant<int, 0>(), first, errors[0]);
  }
}

template <class V>
unsigned nearest_entry(const float* x, const float* weights, unsigned length, const float* centers, unsigned entries,
                       float* error) {
  const V numbers = lane_numbers<V>();
  LeastEntries<V> least;
  if (entries < simd::kLanes) {
    const auto real = greater(V::broadcast(static_cast<float>(entries)), numbers);
    const V sums = few_entry_sums<V>(x, weights, length, centers, entries);
    least.template offer<0>(choose(real, sums, V::broadcast(__builtin_inff())), numbers);
  } else {
    for_entry_sums<V>(x, weights, length, centers, entries, [&](auto r, unsigned k, const V& errors) TERN_LAMBDA {
      least.template offer<r>(errors, V::broadcast(static_cast<float>(k)) + numbers);
    });
  }
  return least.first_of_least(error);
}

template <class V>
void entry_errors(const float* x, const float* weights, unsigned length, const float* centers, unsigned entries,
                  float* errors) {
  if (entries < simd::kLanes)
    return simd::store_tail(few_entry_sums<V>(x, weights, length, centers, entries), errors, entries);
  for_entry_sums<V>(x, weights, length, centers, entries,
                    [&](auto, unsigned k, const V& sums) TERN_LAMBDA { sums.store(errors + k); });
}

template <class V>
void lower_errors(const float* x, const float* weights, unsigned length, uint64_t stride, uint64_t vectors,
                  const float* entry, float* errors) {
  simd::for_lanes<V>(vectors, [&](size_t v, auto load, auto store) {
    V sum = V::broadcast(0.f);
    for (unsigned i = 0; i < length; ++i) {
      const V difference = load(x + i * stride + v) - V::broadcast(entry[i]);
      sum = sum + load(weights + i * stride + v) * (difference * difference);
    }
    const V before = load(errors + v);
    store(choose(greater(before, sum), sum, before), errors + v);
  });
}

}  // namespace tern
