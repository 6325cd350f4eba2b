// F32x16 as one AVX-512 register.
#pragma once

#include <immintrin.h>

#include "kernels/simd/f32x16_xsimd.h"

namespace tern::simd {

struct Avx512;

template <>
struct F32x16<Avx512> : XsimdLanes<F32x16<Avx512>, xsimd::avx512bw> {
  static F32x16 load_f16(const uint16_t* p) {
    return each(
        [=](size_t) { return Batch(_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))); });
  }
  void store_int8(int8_t* p) const {
    const __m128i bytes = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(part[0]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
  }
  template <int distance>
  F32x16 exchange() const {
    return each([&](size_t i) {
      const __m512 v = part[i];
      if constexpr (distance == 8) return Batch(_mm512_shuffle_f32x4(v, v, _MM_SHUFFLE(1, 0, 3, 2)));
      if constexpr (distance == 4) return Batch(_mm512_shuffle_f32x4(v, v, _MM_SHUFFLE(2, 3, 0, 1)));
      if constexpr (distance == 2) return Batch(_mm512_permute_ps(v, _MM_SHUFFLE(1, 0, 3, 2)));
      return Batch(_mm512_permute_ps(v, _MM_SHUFFLE(2, 3, 0, 1)));
    });
  }
  friend F32x16 operator/(const F32x16& a, const F32x16& b) {
    return each([&](size_t i) { return Batch(_mm512_div_ps(a.part[i], b.part[i])); });
  }
  friend F32x16 fma(const F32x16& a, const F32x16& b, const F32x16& c) {
    return each([&](size_t i) { return Batch(_mm512_fmadd_ps(a.part[i], b.part[i], c.part[i])); });
  }
  friend float sum_lanes(const F32x16& a) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.part[0]), _mm512_extractf32x8_ps(a.part[0], 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  friend float max_lanes(const F32x16& a) {
    const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a.part[0]), _mm512_extractf32x8_ps(a.part[0], 1));
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }
};

}  // namespace tern::simd
