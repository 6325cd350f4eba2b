// AVX2 with AVX-VNNI, the dot products of AVX-512 VNNI in their VEX encoding (Alder Lake, Zen 5 and later).
#pragma once

#include "kernels/simd/tile_avx2.h"
#include "kernels/simd/tile_dpbusd.h"

namespace tern {
namespace {

struct AvxVnniDot {
  using Input = __m256i;
  static Avx2::Ints add(Avx2::Ints s, Avx2::Codes c, Input a) {
    return {_mm256_dpbusd_avx_epi32(s.lo, c.lo, a), _mm256_dpbusd_avx_epi32(s.hi, c.hi, a)};
  }
};

struct AvxVnni : DpBusd<Avx2, AvxVnniDot> {
  static constexpr int kTrit5Tiles = 2;
};

}  // namespace
}  // namespace tern
