// The bodies of limits.h: independent chains of products of weights and broadcast activations, both always at hand.
#pragma once

#include "kernels/linear/blocking.h"

#define TERN_DEFINE_PEAK(name, ...) \
  uint64_t name(uint64_t rounds) { return __VA_ARGS__(rounds); }

namespace tern {
namespace {

constexpr int kPeakSteps = 8;  // of each chain in a row: at the end of a round GCC moves registers about
alignas(64) constexpr std::byte kPeakCodes[kPeakSteps * kBlockBytes] = {};
alignas(64) constexpr int8_t kPeakInput[256] = {};
alignas(64) constexpr float kPeakFloats[64] = {};

template <class T>
TERN_INLINE const T* hidden(const T* p) {
  asm volatile("" : "+r"(p));
  return p;
}

template <class V>
TERN_INLINE void keep(const typename V::Floats& sums) {
  float kept[kTileRows];
  V::store(kept, sums);
  asm volatile("" : : "r"(kept) : "memory");
}

// 16 rows x 4 columns a dot product; as many chains as the registers hold.
template <class V, int chains>
uint64_t int8_peak(uint64_t rounds) {
  typename V::TritSums sums[chains];
  unroll<chains>([&](auto i) TERN_LAMBDA { sums[i] = V::zero_trits(); });
  for (uint64_t r = 0; r < rounds; ++r) {
    const std::byte* block = hidden(kPeakCodes);
    const int8_t* input = hidden(kPeakInput);
    unroll<kPeakSteps>([&](auto step) TERN_LAMBDA {
      const typename V::Codes codes = V::load_codes(block + step * kBlockBytes);
      unroll<chains>([&](auto i) TERN_LAMBDA {
        const auto four = V::template load_trit_input<0>(hidden(input + 4 * (step + i)));
        sums[i] = V::template dot_trits<0>(sums[i], codes, four);
      });
    });
  }
  typename V::Ints all = V::zero_ints();
  unroll<chains>([&](auto i) TERN_LAMBDA { all = V::add(all, V::widen_trits(sums[i])); });
  keep<V>(V::to_floats(all));
  return rounds * chains * kPeakSteps * 64;
}

// 16 rows x 8 columns x 2 tokens.
template <class V, int chains>
uint64_t int8_pairs_peak(uint64_t rounds) {
  typename V::PairSums sums[chains];
  unroll<chains>([&](auto i) TERN_LAMBDA { sums[i] = V::zero_pairs(); });
  for (uint64_t r = 0; r < rounds; ++r) {
    const typename V::Int8Codes codes = V::as_signed(V::load_codes(hidden(kPeakCodes)));
    const typename V::RowPairs rows = V::join_columns(codes, codes);
    const int8_t* input = hidden(kPeakInput);
    unroll<kPeakSteps>([&](auto step) TERN_LAMBDA {
      unroll<chains>([&](auto i) TERN_LAMBDA {
        const int8_t* two = hidden(input + 16 * (step + i));
        sums[i] = V::dot_pairs(sums[i], rows, V::load_token_pair(two, two + 8));
      });
    });
  }
  typename V::Ints all = V::zero_ints();
  unroll<chains>([&](auto i)
                     TERN_LAMBDA { all = V::add(all, V::add(V::first_token(sums[i]), V::second_token(sums[i]))); });
  keep<V>(V::to_floats(all));
  return rounds * chains * kPeakSteps * 256;
}

// 16 rows x 1 column.
template <class V, int chains>
uint64_t f32_peak(uint64_t rounds) {
  typename V::Floats sums[chains];
  unroll<chains>([&](auto i) TERN_LAMBDA { sums[i] = V::zero(); });
  for (uint64_t r = 0; r < rounds; ++r) {
    const float* input = hidden(kPeakFloats);
    unroll<kPeakSteps>([&](auto step) TERN_LAMBDA {
      const typename V::Floats weights = V::load_f32(hidden(kPeakCodes));
      unroll<chains>([&](auto i) TERN_LAMBDA { sums[i] = V::fma(weights, V::broadcast(input[step + i]), sums[i]); });
    });
  }
  typename V::Floats all = V::zero();
  unroll<chains>([&](auto i) TERN_LAMBDA { all = V::add(all, sums[i]); });
  keep<V>(all);
  return rounds * chains * kPeakSteps * kTileRows;
}

}  // namespace
}  // namespace tern
