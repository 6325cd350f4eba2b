// AVX-512 with VNNI.
#pragma once

#include "kernels/simd/tile_avx512.h"
#include "kernels/simd/tile_dpbusd.h"

namespace tern {
namespace {

struct Avx512VnniDot {
  using Input = __m512i;
  static __m512i add(__m512i s, __m512i c, Input a) { return _mm512_dpbusd_epi32(s, c, a); }
};

struct Avx512Vnni : DpBusd<Avx512, Avx512VnniDot> {
  static constexpr int kTritTiles = 1, kTrit5Tiles = 1, kTritBatchTiles = 2, kTritTokens = 8, kTritChains = 4;
  static constexpr int kInt8Tiles = 1, kInt8BatchTiles = 2, kInt8Tokens = 8, kInt8Chains = 4;
};

}  // namespace
}  // namespace tern
