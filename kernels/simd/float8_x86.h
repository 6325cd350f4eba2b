// Eight floats of one vector of a codebook: one register of AVX2 (with FMA, F16C). AVX-512 files use it too: more
// registers, no wider ones, for two vectors of eight would have to be joined first. Internal linkage, as in
// tile_avx2.h.
#pragma once

#include <immintrin.h>

#include <cstddef>

#include "kernels/simd/entry.h"
#include "kernels/simd/unroll.h"

namespace tern {
namespace {

struct Float8 {
  __m256 v;

  TERN_INLINE static Float8 zero() { return {_mm256_setzero_ps()}; }
  TERN_INLINE static Float8 broadcast(float f) { return {_mm256_set1_ps(f)}; }
  TERN_INLINE static Float8 fma(Float8 a, Float8 b, Float8 c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
  TERN_INLINE static Float8 add(Float8 a, Float8 b) { return {_mm256_add_ps(a.v, b.v)}; }
  TERN_INLINE void store(float* p) const { _mm256_storeu_ps(p, v); }

  // Values of one type side by side; four: the rest is zero, and nothing behind them is read.
  template <EntryType type>
  TERN_INLINE static Float8 load(const std::byte* p) {
    if constexpr (type == EntryType::f32) return {_mm256_loadu_ps(reinterpret_cast<const float*>(p))};
    if constexpr (type == EntryType::int8) return from_bytes(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    return from_halves<type>(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  template <EntryType type>
  TERN_INLINE static Float8 load_four(const std::byte* p) {
    if constexpr (type == EntryType::f32) {
      return {_mm256_zextps128_ps256(_mm_loadu_ps(reinterpret_cast<const float*>(p)))};
    } else if constexpr (type == EntryType::int8) {
      uint32_t four = 0;
      __builtin_memcpy(&four, p, sizeof four);
      return from_bytes(_mm_cvtsi64_si128(static_cast<int64_t>(0x8080808000000000u | four)));
    } else {
      return from_halves<type>(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    }
  }

 private:
  template <EntryType type>
  TERN_INLINE static Float8 from_halves(__m128i halves) {
    if constexpr (type == EntryType::f16) return {_mm256_cvtph_ps(halves)};
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16))};
  }
  // A byte as the last bits of 2^23: cheaper than a conversion, and as exact.
  TERN_INLINE static Float8 from_bytes(__m128i bytes) {
    const __m256i bits = _mm256_or_si256(_mm256_cvtepu8_epi32(bytes), _mm256_set1_epi32(0x4b000000));
    return {_mm256_sub_ps(_mm256_castsi256_ps(bits), _mm256_set1_ps(8388608 + 128))};
  }
};

}  // namespace
}  // namespace tern
