// F32x16 as two AVX2 registers.
#pragma once

#include <immintrin.h>

#include "kernels/simd/f32x16_xsimd.h"

namespace tern::simd {

struct Avx2;

template <>
struct F32x16<Avx2> : XsimdLanes<F32x16<Avx2>, xsimd::avx2> {
  static F32x16 load_f16(const uint16_t* p) {
    return each([=](size_t i) {
      return Batch(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i * kWidth))));
    });
  }
  void store_int8(int8_t* p) const {
    const __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(part[0]), _mm256_cvtps_epi32(part[1]));
    const __m256i ordered = _mm256_permute4x64_epi64(words, _MM_SHUFFLE(3, 1, 2, 0));
    const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(ordered), _mm256_extracti128_si256(ordered, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
  }
  template <int distance>
  F32x16 exchange() const {
    return each([&](size_t i) {
      const __m256 v = part[distance == 8 ? 1 - i : i];
      if constexpr (distance == 4) return Batch(_mm256_permute2f128_ps(v, v, 1));
      if constexpr (distance == 2) return Batch(_mm256_permute_ps(v, _MM_SHUFFLE(1, 0, 3, 2)));
      if constexpr (distance == 1) return Batch(_mm256_permute_ps(v, _MM_SHUFFLE(2, 3, 0, 1)));
      return Batch(v);
    });
  }
  friend F32x16 operator/(const F32x16& a, const F32x16& b) {
    return each([&](size_t i) { return Batch(_mm256_div_ps(a.part[i], b.part[i])); });
  }
  friend F32x16 fma(const F32x16& a, const F32x16& b, const F32x16& c) {
    return each([&](size_t i) { return Batch(_mm256_fmadd_ps(a.part[i], b.part[i], c.part[i])); });
  }
  friend float sum_lanes(const F32x16& a) {
    const __m256 eight = _mm256_add_ps(a.part[0], a.part[1]);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  friend float max_lanes(const F32x16& a) {
    const __m256 eight = _mm256_max_ps(a.part[0], a.part[1]);
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }
};

}  // namespace tern::simd
