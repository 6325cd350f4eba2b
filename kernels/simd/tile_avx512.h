// AVX-512 (F, BW, DQ, VL): the 16 rows of a tile are one register. Internal linkage, as in tile_avx2.h.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/simd/unroll.h"

namespace tern {
namespace {

struct Avx512 {
  using Floats = __m512;
  using Ints = __m512i;   // int32 per row
  using Codes = __m512i;  // one 64-byte block, or bytes derived from one

  // --- floats ---
  static Floats zero() { return _mm512_setzero_ps(); }
  static Floats broadcast(float f) { return _mm512_set1_ps(f); }
  static Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
  static Floats mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
  static Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
  static void store(float* p, Floats f) { _mm512_storeu_ps(p, f); }
  static Floats load_f32(const std::byte* p) { return _mm512_loadu_ps(p); }
  static Floats load_f16(const std::byte* p) { return _mm512_cvtph_ps(load32(p)); }
  static Floats load_bf16(const std::byte* p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load32(p)), 16));
  }

  // --- integers ---
  static Ints zero_ints() { return _mm512_setzero_si512(); }
  static Ints add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
  static Ints subtract(Ints a, int32_t b) { return _mm512_sub_epi32(a, _mm512_set1_epi32(b)); }
  template <int bits>
  static Ints shift_right(Ints a) {
    return _mm512_srai_epi32(a, bits);
  }
  static Floats to_floats(Ints a) { return _mm512_cvtepi32_ps(a); }
  static Codes load_codes(const std::byte* p) { return _mm512_load_si512(p); }

  // --- trits: a block has bits 2q of byte j of a row for column 4q + j ---
  template <int q>
  static Codes trit_codes(Codes c) {
    return _mm512_and_si512(q == 0 ? c : _mm512_srli_epi16(c, 2 * q), _mm512_set1_epi8(3));
  }
  // 4^q times the codes.
  template <int q>
  static Codes trit_codes_in_place(Codes c) {
    return _mm512_and_si512(c, _mm512_set1_epi8(static_cast<char>(3 << 2 * q)));
  }
  template <int column>
  static Floats trit_weights(Codes c) {
    constexpr int shift = 8 * (column % 4) + 2 * (column / 4);
    const __m512 values = _mm512_broadcast_f32x4(_mm_setr_ps(-1, 0, 1, 2));  // permutevar looks at two bits alone
    return _mm512_permutevar_ps(values, _mm512_srli_epi32(c, shift));
  }

  using TritSums = __m512i;  // int16 pairs, two per row
  using TritInput = __m512i;
  static constexpr uint64_t kTritBlocks = 10;  // as in tile_avx2.h
  static TritSums zero_trits() { return zero_ints(); }
  template <int q>
  static TritInput load_trit_input(const int8_t* a) {
    return broadcast4(a + 4 * q);
  }
  template <int q>
  static TritSums dot_trits(TritSums s, Codes c, TritInput a) {
    return _mm512_add_epi16(s, _mm512_maddubs_epi16(c, a));
  }
  static Ints widen_trits(TritSums s) { return _mm512_madd_epi16(s, _mm512_set1_epi16(1)); }

  // --- trits by table: byte columns of four tiles, as in tile_avx2.h ---
  static constexpr int kTableTiles = 4;
  using Bytes = __m512i;
  struct ByteColumns {
    __m512i column[4];
  };
  struct TableSums {
    __m512i low_even, low_odd, high_even, high_odd;
  };
  static Bytes zero_bytes() { return _mm512_setzero_si512(); }
  static Bytes add_bytes(Bytes a, Bytes b) { return _mm512_add_epi8(a, b); }
  static Bytes low_nibbles(Bytes a) { return _mm512_and_si512(a, _mm512_set1_epi8(15)); }
  static Bytes high_nibbles(Bytes a) { return low_nibbles(_mm512_srli_epi16(a, 4)); }
  static Bytes load_table(const uint8_t* table) {
    return _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(table)));
  }
  static Bytes look_up(Bytes table, Bytes nibbles) { return _mm512_shuffle_epi8(table, nibbles); }
  static ByteColumns load_columns(const std::byte* const* tiles, uint64_t offset) {
    const __m512i r0 = group_bytes(tiles[0] + offset), r1 = group_bytes(tiles[1] + offset);
    const __m512i r2 = group_bytes(tiles[2] + offset), r3 = group_bytes(tiles[3] + offset);
    const __m512i t0 = _mm512_unpacklo_epi32(r0, r1), t1 = _mm512_unpackhi_epi32(r0, r1);
    const __m512i t2 = _mm512_unpacklo_epi32(r2, r3), t3 = _mm512_unpackhi_epi32(r2, r3);
    return {{_mm512_unpacklo_epi64(t0, t2), _mm512_unpackhi_epi64(t0, t2), _mm512_unpacklo_epi64(t1, t3),
             _mm512_unpackhi_epi64(t1, t3)}};
  }
  static TableSums zero_tables() { return {zero_bytes(), zero_bytes(), zero_bytes(), zero_bytes()}; }
  static void widen_bytes(TableSums& s, Bytes low, Bytes high) {
    const __m512i mask = _mm512_set1_epi16(255);
    s.low_even = _mm512_add_epi16(s.low_even, _mm512_and_si512(low, mask));
    s.low_odd = _mm512_add_epi16(s.low_odd, _mm512_srli_epi16(low, 8));
    s.high_even = _mm512_add_epi16(s.high_even, _mm512_and_si512(high, mask));
    s.high_odd = _mm512_add_epi16(s.high_odd, _mm512_srli_epi16(high, 8));
  }
  // A lane holds four rows of each of four tiles: unpack to words gives tiles 0, 1 and 2, 3, to dwords each tile.
  static void add_tables(Ints* sums, const TableSums& s) {
    const __m512i low01 = _mm512_unpacklo_epi16(s.low_even, s.low_odd);
    const __m512i low23 = _mm512_unpackhi_epi16(s.low_even, s.low_odd);
    const __m512i high01 = _mm512_unpacklo_epi16(s.high_even, s.high_odd);
    const __m512i high23 = _mm512_unpackhi_epi16(s.high_even, s.high_odd);
    const __m512i zero = _mm512_setzero_si512();
    sums[0] = add(sums[0], joined(_mm512_unpacklo_epi16(low01, zero), _mm512_unpacklo_epi16(high01, zero)));
    sums[1] = add(sums[1], joined(_mm512_unpackhi_epi16(low01, zero), _mm512_unpackhi_epi16(high01, zero)));
    sums[2] = add(sums[2], joined(_mm512_unpacklo_epi16(low23, zero), _mm512_unpacklo_epi16(high23, zero)));
    sums[3] = add(sums[3], joined(_mm512_unpackhi_epi16(low23, zero), _mm512_unpackhi_epi16(high23, zero)));
  }

  // --- five trits in a byte, as in tile_avx2.h ---
  static constexpr int32_t kDigitZero = 1, kTopDigitZero = 2;
  static constexpr uint64_t kDigitBlocks = 12;
  struct FiveDigits {
    __m512i even, odd, pair;
  };
  struct DigitTables {};
  static DigitTables digit_tables() { return {}; }
  static FiveDigits begin_digits(Codes c, DigitTables) { return {c, c, c}; }
  template <int place>
  static Codes next_digit(FiveDigits& x) {
    const __m512i first = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0));
    const __m512i second = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0));
    if constexpr (place % 2 == 1) return _mm512_shuffle_epi8(second, x.pair);
    constexpr short kFactor = place == 4 ? 3 : 9;
    x.even = _mm512_maddubs_epi16(x.even, _mm512_set1_epi16(kFactor));
    x.odd = _mm512_maddubs_epi16(x.odd, _mm512_set1_epi16(place == 0 ? kFactor * 256 : kFactor));
    x.pair = _mm512_mask_blend_epi8(0xaaaaaaaaaaaaaaaau, _mm512_srli_epi16(x.even, 8), x.odd);
    if constexpr (place == 4) return x.pair;
    return _mm512_shuffle_epi8(first, x.pair);
  }
  static Codes triple(Codes x) { return _mm512_add_epi8(_mm512_add_epi8(x, x), x); }
  template <int column>
  static Floats digit_weights(Codes c) {
    return trit_weights<column>(c);
  }
  static Bytes top_digit(Bytes x) { return _mm512_avg_epu8(x, _mm512_avg_epu8(x, _mm512_set1_epi8(-3))); }
  static Bytes digit_pair(Bytes high, Bytes low) {
    constexpr int kSelect = 0xca;  // of high where the mask is set, else of low
    return high_nibbles(_mm512_ternarylogic_epi32(_mm512_set1_epi8(-64), high, _mm512_srli_epi16(low, 2), kSelect));
  }
  static Ints telescope(Ints here, Ints next) {
    return _mm512_srai_epi32(_mm512_sub_epi32(add(add(here, here), here), next), 8);
  }

  // --- eight bits: byte j of a row is column j of the block, code 128 is zero ---
  static constexpr int32_t kInt8Zero = 128;
  struct Int8Codes {  // bytes 0, 2 and bytes 1, 3 of each row as int16
    __m512i even, odd;
  };
  using Int8Input = Int8Codes;
  using Int8Sums = Ints;
  static Int8Codes split_int8(Codes c) {
    return {_mm512_and_si512(c, _mm512_set1_epi16(255)), _mm512_srli_epi16(c, 8)};
  }
  static Int8Input load_int8_input(const int8_t* a) {
    const __m512i v = broadcast4(a);
    return {_mm512_srai_epi16(_mm512_slli_epi16(v, 8), 8), _mm512_srai_epi16(v, 8)};
  }
  static Int8Sums zero_int8() { return zero_ints(); }
  static Int8Sums dot_int8(Int8Sums s, const Int8Codes& c, const Int8Input& a) {
    return add(add(s, _mm512_madd_epi16(c.even, a.even)), _mm512_madd_epi16(c.odd, a.odd));
  }
  static Ints widen_int8(Int8Sums s) { return s; }

  // --- four and six bits, as in tile_avx2.h ---
  struct NarrowInput {
    __m512i first, second;
  };
  template <int half>
  static Codes nibbles(Codes c) {
    return _mm512_and_si512(half == 0 ? c : _mm512_srli_epi16(c, 4), _mm512_set1_epi8(15));
  }
  template <int q>
  static Codes upper_pairs(Codes c) {
    const __m512i mask = _mm512_set1_epi8(0x30);
    if constexpr (q < 2) return _mm512_and_si512(_mm512_slli_epi16(c, 4 - 2 * q), mask);
    if constexpr (q == 2) return _mm512_and_si512(c, mask);
    if constexpr (q == 3) return _mm512_and_si512(_mm512_srli_epi16(c, 2), mask);
  }
  static Codes merge(Codes a, Codes b) { return _mm512_or_si512(a, b); }
  static NarrowInput load_narrow_input(const int8_t* a) { return {broadcast4(a), broadcast4(a + 4)}; }
  static Int8Sums dot_narrow(Int8Sums s, Codes first, Codes second, NarrowInput a) {
    const __m512i sums = _mm512_add_epi16(_mm512_maddubs_epi16(first, a.first), _mm512_maddubs_epi16(second, a.second));
    return add(s, widen_trits(sums));
  }

  template <int column, int zero>
  static Floats int_weights(Codes c) {
    const __m512i signed_codes = _mm512_sub_epi8(c, _mm512_set1_epi8(static_cast<char>(zero)));
    return _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(signed_codes, 24 - 8 * column), 24));
  }

  static constexpr int kTritTiles = 4, kTrit5Tiles = 4, kTritBatchTiles = 2, kTritTokens = 4, kTritChains = 1;
  static constexpr int kInt8Tiles = 4, kInt8BatchTiles = 2, kInt8Tokens = 4, kInt8Chains = 1;
  static constexpr int kFloatTiles = 8, kFloatBatchTiles = 2, kFloatTokens = 4, kCodeTiles = 8;

 protected:
  static Codes broadcast4(const int8_t* a) {
    int32_t four;
    __builtin_memcpy(&four, a, 4);
    return _mm512_set1_epi32(four);
  }
  static Ints joined(__m512i low, __m512i high) { return _mm512_add_epi32(low, _mm512_slli_epi32(high, 5)); }

 private:
  static __m256i load32(const std::byte* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static __m512i group_bytes(const std::byte* block) {
    const __m512i order = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    return _mm512_shuffle_epi8(load_codes(block), order);
  }
};

}  // namespace
}  // namespace tern
