// AVX-512 with VNNI: vpdpbusd sums four products of unsigned and signed bytes into the int32 of a row.
#pragma once

#include "kernels/simd/tile_avx512.h"

namespace tern {
namespace {

struct Avx512Vnni : Avx512 {
  // int32 sums: 3 * 127 * kMaxCols < 2^31 for trits, 255 * 127 * kMaxCols / 2 < 2^31 for eight bits.
  using TritSums = Ints;
  using TritInput = __m512i;
  static constexpr uint64_t kTritBlocks = 1u << 20;
  static TritSums zero_trits() { return zero_ints(); }
  template <int q>
  static TritInput load_trit_input(const int8_t* a) {
    return broadcast4(a + 4 * q);
  }
  template <int q>
  static TritSums dot_trits(TritSums s, Codes c, TritInput a) {
    return _mm512_dpbusd_epi32(s, c, a);
  }
  static Ints widen_trits(TritSums s) { return s; }

  static constexpr int32_t kInt8Zero = 128;
  using Int8Codes = Codes;
  using Int8Sums = Ints;
  static Int8Codes split_int8(Codes c) { return c; }
  static __m512i load_int8_input(const int8_t* a) { return broadcast4(a); }
  static Int8Sums zero_int8() { return zero_ints(); }
  static Int8Sums dot_int8(Int8Sums s, Int8Codes c, __m512i a) { return _mm512_dpbusd_epi32(s, c, a); }
  static Ints widen_int8(Int8Sums s) { return s; }

  static constexpr int kTritTiles = 4, kTritBatchTiles = 2, kTritTokens = 8;
  static constexpr int kInt8Tiles = 4, kInt8BatchTiles = 2, kInt8Tokens = 8;
};

}  // namespace
}  // namespace tern
