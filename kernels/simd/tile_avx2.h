// AVX2 with FMA and F16C: 16 rows of a tile as two registers, rows 0..7 and 8..15.
// Internal linkage: no other file may share a copy of what is compiled with these flags.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/simd/unroll.h"

namespace tern {
namespace {

struct Avx2 {
  struct Floats {
    __m256 lo, hi;
  };
  struct Ints {  // int32 per row
    __m256i lo, hi;
  };
  struct Codes {  // one 64-byte block, or bytes derived from one
    __m256i lo, hi;
  };

  // --- floats ---
  static Floats zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static Floats broadcast(float f) { return {_mm256_set1_ps(f), _mm256_set1_ps(f)}; }
  static Floats fma(Floats a, Floats b, Floats c) {
    return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
  }
  static Floats mul(Floats a, Floats b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
  static Floats add(Floats a, Floats b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
  static void store(float* p, Floats f) {
    _mm256_storeu_ps(p, f.lo);
    _mm256_storeu_ps(p + 8, f.hi);
  }
  static Floats load_f32(const std::byte* p) {
    const float* f = reinterpret_cast<const float*>(p);
    return {_mm256_loadu_ps(f), _mm256_loadu_ps(f + 8)};
  }
  static Floats load_f16(const std::byte* p) { return {_mm256_cvtph_ps(load16(p)), _mm256_cvtph_ps(load16(p + 16))}; }
  static Floats load_bf16(const std::byte* p) { return {bf16_to_f32(load16(p)), bf16_to_f32(load16(p + 16))}; }

  // --- integers ---
  static Ints zero_ints() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
  static Ints add(Ints a, Ints b) { return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)}; }
  static Ints subtract(Ints a, int32_t b) {
    const __m256i v = _mm256_set1_epi32(b);
    return {_mm256_sub_epi32(a.lo, v), _mm256_sub_epi32(a.hi, v)};
  }
  static Floats to_floats(Ints a) { return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)}; }

  static Codes load_codes(const std::byte* p) {
    const __m256i* v = reinterpret_cast<const __m256i*>(p);
    return {_mm256_load_si256(v), _mm256_load_si256(v + 1)};
  }

  // --- trits: a block has bits 2q of byte j of a row for column 4q + j ---
  template <int q>
  static Codes trit_codes(Codes c) {
    const __m256i mask = _mm256_set1_epi8(3);
    return {_mm256_and_si256(_mm256_srli_epi16(c.lo, 2 * q), mask),
            _mm256_and_si256(_mm256_srli_epi16(c.hi, 2 * q), mask)};
  }
  template <int column>
  static Floats trit_weights(Codes c) {
    constexpr int shift = 8 * (column % 4) + 2 * (column / 4);
    const __m256 values = _mm256_setr_ps(-1, 0, 1, 2, -1, 0, 1, 2);  // permutevar looks at the two low bits alone
    return {_mm256_permutevar_ps(values, _mm256_srli_epi32(c.lo, shift)),
            _mm256_permutevar_ps(values, _mm256_srli_epi32(c.hi, shift))};
  }

  struct TritSums {  // int16 pairs, two per row
    __m256i lo, hi;
  };
  // A block adds at most 4 * 2 * 3 * 127 = 3048 to an int16 (code 3 counted): 10 blocks stay below 2^15.
  static constexpr uint64_t kTritBlocks = 10;
  using TritInput = __m256i;  // columns 4q .. 4q + 3 for every row
  static TritSums zero_trits() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
  template <int q>
  static TritInput load_trit_input(const int8_t* a) {
    return broadcast4(a + 4 * q);
  }
  template <int q>
  static TritSums dot_trits(TritSums s, Codes c, TritInput a) {
    return {_mm256_add_epi16(s.lo, _mm256_maddubs_epi16(c.lo, a)),
            _mm256_add_epi16(s.hi, _mm256_maddubs_epi16(c.hi, a))};
  }
  static Ints widen_trits(TritSums s) {
    const __m256i ones = _mm256_set1_epi16(1);
    return {_mm256_madd_epi16(s.lo, ones), _mm256_madd_epi16(s.hi, ones)};
  }

  // --- trits by table: byte columns of two tiles, whose rows stand in both lanes in an order that add_tables undoes
  // ---
  static constexpr int kTableTiles = 2;
  using Bytes = __m256i;
  struct ByteColumns {  // byte j of each of 32 rows
    __m256i column[4];
  };
  struct TableSums {  // int16 of even and odd bytes
    __m256i low_even, low_odd, high_even, high_odd;
  };
  static Bytes zero_bytes() { return _mm256_setzero_si256(); }
  static Bytes add_bytes(Bytes a, Bytes b) { return _mm256_add_epi8(a, b); }
  static Bytes low_nibbles(Bytes a) { return _mm256_and_si256(a, _mm256_set1_epi8(15)); }
  static Bytes high_nibbles(Bytes a) { return low_nibbles(_mm256_srli_epi16(a, 4)); }
  static Bytes load_table(const uint8_t* table) {
    return _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(table)));
  }
  static Bytes look_up(Bytes table, Bytes nibbles) { return _mm256_shuffle_epi8(table, nibbles); }
  static ByteColumns load_columns(const std::byte* const* tiles, uint64_t offset) {
    const Codes a = load_codes(tiles[0] + offset), b = load_codes(tiles[1] + offset);
    const __m256i r0 = group_bytes(a.lo), r1 = group_bytes(a.hi), r2 = group_bytes(b.lo), r3 = group_bytes(b.hi);
    const __m256i t0 = _mm256_unpacklo_epi32(r0, r1), t1 = _mm256_unpackhi_epi32(r0, r1);
    const __m256i t2 = _mm256_unpacklo_epi32(r2, r3), t3 = _mm256_unpackhi_epi32(r2, r3);
    return {{_mm256_unpacklo_epi64(t0, t2), _mm256_unpackhi_epi64(t0, t2), _mm256_unpacklo_epi64(t1, t3),
             _mm256_unpackhi_epi64(t1, t3)}};
  }
  static TableSums zero_tables() { return {zero_bytes(), zero_bytes(), zero_bytes(), zero_bytes()}; }
  static void widen_bytes(TableSums& s, Bytes low, Bytes high) {
    const __m256i mask = _mm256_set1_epi16(255);
    s.low_even = _mm256_add_epi16(s.low_even, _mm256_and_si256(low, mask));
    s.low_odd = _mm256_add_epi16(s.low_odd, _mm256_srli_epi16(low, 8));
    s.high_even = _mm256_add_epi16(s.high_even, _mm256_and_si256(high, mask));
    s.high_odd = _mm256_add_epi16(s.high_odd, _mm256_srli_epi16(high, 8));
  }
  // sums[t] += low + 32 * high. unpacklo gives a lane's rows of the first tile, unpackhi of the second.
  static void add_tables(Ints* sums, const TableSums& s) {
    sums[0] = add(sums[0],
                  joined(_mm256_unpacklo_epi16(s.low_even, s.low_odd), _mm256_unpacklo_epi16(s.high_even, s.high_odd)));
    sums[1] = add(sums[1],
                  joined(_mm256_unpackhi_epi16(s.low_even, s.low_odd), _mm256_unpackhi_epi16(s.high_even, s.high_odd)));
  }

  // --- five trits in a byte (trit_packing.h): 9 x is 256 (3 d_0 + d_1) + x_2, one product of 16 bits for even and one
  // for odd bytes; a shuffle parts the two digits. The next two come from the low bytes x_2, the last from 3 x_4. ---
  static constexpr int32_t kDigitZero = 1, kTopDigitZero = 2;
  static constexpr uint64_t kDigitBlocks = 12;  // a block adds at most 5 * 2 * 2 * 127 = 2540 to an int16
  struct HalfDigits {
    __m256i even, odd, pair;
  };
  struct FiveDigits {
    HalfDigits lo, hi;
  };
  struct DigitTables {};
  static DigitTables digit_tables() { return {}; }
  static FiveDigits begin_digits(Codes c, DigitTables) { return {{c.lo, c.lo, c.lo}, {c.hi, c.hi, c.hi}}; }
  template <int place>
  static Codes next_digit(FiveDigits& x) {
    return {next_digit<place>(x.lo), next_digit<place>(x.hi)};
  }
  template <int column>
  static Floats digit_weights(Codes c) {
    return trit_weights<column>(c);
  }
  static Bytes triple(Bytes x) { return _mm256_add_epi8(_mm256_add_epi8(x, x), x); }
  static Codes triple(Codes x) { return {triple(x.lo), triple(x.hi)}; }
  // Of an unsigned byte: 1 + floor(3x / 256) in the two top bits. The inner average is 127 + floor(x / 2), the outer
  // one floor((x + floor(x / 2)) / 2) + 64.
  static Bytes top_digit(Bytes x) { return _mm256_avg_epu8(x, _mm256_avg_epu8(x, _mm256_set1_epi8(-3))); }
  static Bytes digit_pair(Bytes high, Bytes low) {
    const __m256i mask = _mm256_set1_epi8(-64);
    return high_nibbles(
        _mm256_or_si256(_mm256_and_si256(high, mask), _mm256_andnot_si256(mask, _mm256_srli_epi16(low, 2))));
  }

  // --- eight bits: byte j of a row is column j of the block, code 128 is zero ---
  static constexpr int32_t kInt8Zero = 128;  // dot_int8 sums code * activation; subtract zero * sum(activation)
  struct Int8Codes {                         // bytes 0, 2 and bytes 1, 3 of each row as int16
    __m256i even_lo, even_hi, odd_lo, odd_hi;
  };
  struct Int8Input {
    __m256i even, odd;
  };
  static Int8Codes split_int8(Codes c) {
    const __m256i mask = _mm256_set1_epi16(255);
    return {_mm256_and_si256(c.lo, mask), _mm256_and_si256(c.hi, mask), _mm256_srli_epi16(c.lo, 8),
            _mm256_srli_epi16(c.hi, 8)};
  }
  static Int8Input load_int8_input(const int8_t* a) {
    const __m256i v = broadcast4(a);
    return {_mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8), _mm256_srai_epi16(v, 8)};
  }
  // Codes up to 255 would saturate vpmaddubsw (2 * 255 * 127 > 2^15), so the products are of int16.
  using Int8Sums = Ints;
  static Int8Sums zero_int8() { return zero_ints(); }
  static Int8Sums dot_int8(Int8Sums s, const Int8Codes& c, Int8Input a) {
    s = add(s, {_mm256_madd_epi16(c.even_lo, a.even), _mm256_madd_epi16(c.even_hi, a.even)});
    return add(s, {_mm256_madd_epi16(c.odd_lo, a.odd), _mm256_madd_epi16(c.odd_hi, a.odd)});
  }
  static Ints widen_int8(Int8Sums s) { return s; }

  // --- four and six bits: codes below 64, multiplied in pairs of bytes; two steps of four columns at a time ---
  struct NarrowInput {
    __m256i first, second;
  };
  template <int half>
  static Codes nibbles(Codes c) {
    return {nibble<half>(c.lo), nibble<half>(c.hi)};
  }
  // Bits 2q and 2q + 1 of every byte as bits 4 and 5.
  template <int q>
  static Codes upper_pairs(Codes c) {
    return {upper_pair<q>(c.lo), upper_pair<q>(c.hi)};
  }
  static Codes merge(Codes a, Codes b) { return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)}; }
  static NarrowInput load_narrow_input(const int8_t* a) { return {broadcast4(a), broadcast4(a + 4)}; }
  // At most 4 * 63 * 127 < 2^15 in an int16.
  static Int8Sums dot_narrow(Int8Sums s, Codes first, Codes second, NarrowInput a) {
    const TritSums sums = {
        _mm256_add_epi16(_mm256_maddubs_epi16(first.lo, a.first), _mm256_maddubs_epi16(second.lo, a.second)),
        _mm256_add_epi16(_mm256_maddubs_epi16(first.hi, a.first), _mm256_maddubs_epi16(second.hi, a.second))};
    return add(s, widen_trits(sums));
  }

  // The weights of one of four columns, from unsigned codes.
  template <int column, int zero>
  static Floats int_weights(Codes c) {
    return {int_weight<column, zero>(c.lo), int_weight<column, zero>(c.hi)};
  }

  // (3 * here - next) / 256, modulo 2^32 before the division.
  static Ints telescope(Ints here, Ints next) {
    const Ints triple = add(add(here, here), here);
    return {_mm256_srai_epi32(_mm256_sub_epi32(triple.lo, next.lo), 8),
            _mm256_srai_epi32(_mm256_sub_epi32(triple.hi, next.hi), 8)};
  }

  // kTritTiles and kTrit5Tiles were chosen by timing; the others fit the sixteen registers and await a quiet machine.
  static constexpr int kTritTiles = 2, kTrit5Tiles = 1, kTritBatchTiles = 1, kTritTokens = 4, kTritChains = 1;
  static constexpr int kInt8Tiles = 2, kInt8BatchTiles = 1, kInt8Tokens = 4, kInt8Chains = 1;
  static constexpr int kFloatTiles = 4, kFloatBatchTiles = 1, kFloatTokens = 4;
  static constexpr int kCodeTiles = 2;  // tiles of codes x f32: their blocks take registers too

 protected:
  static __m256i broadcast4(const int8_t* a) {
    int32_t four;
    __builtin_memcpy(&four, a, 4);
    return _mm256_set1_epi32(four);
  }

 private:
  static __m128i load16(const std::byte* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
  static __m256 bf16_to_f32(__m128i h) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16)); }
  template <int place>
  static __m256i next_digit(HalfDigits& x) {
    const __m256i first = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0));
    const __m256i second = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0));
    if constexpr (place % 2 == 1) return _mm256_shuffle_epi8(second, x.pair);
    constexpr short kFactor = place == 4 ? 3 : 9;
    x.even = _mm256_maddubs_epi16(x.even, _mm256_set1_epi16(kFactor));
    x.odd = _mm256_maddubs_epi16(x.odd, _mm256_set1_epi16(place == 0 ? kFactor * 256 : kFactor));
    x.pair = _mm256_blendv_epi8(_mm256_srli_epi16(x.even, 8), x.odd, _mm256_set1_epi16(-256));
    if constexpr (place == 4) return x.pair;
    return _mm256_shuffle_epi8(first, x.pair);
  }
  // Four rows of four bytes become four dwords, one per byte column, in each lane.
  static __m256i group_bytes(__m256i v) {
    const __m256i order =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    return _mm256_shuffle_epi8(v, order);
  }
  static Ints joined(__m256i low, __m256i high) {
    const __m256i zero = _mm256_setzero_si256();
    return {
        _mm256_add_epi32(_mm256_unpacklo_epi16(low, zero), _mm256_slli_epi32(_mm256_unpacklo_epi16(high, zero), 5)),
        _mm256_add_epi32(_mm256_unpackhi_epi16(low, zero), _mm256_slli_epi32(_mm256_unpackhi_epi16(high, zero), 5))};
  }
  template <int half>
  static __m256i nibble(__m256i c) {
    return _mm256_and_si256(half == 0 ? c : _mm256_srli_epi16(c, 4), _mm256_set1_epi8(15));
  }
  template <int q>
  static __m256i upper_pair(__m256i c) {
    const __m256i mask = _mm256_set1_epi8(0x30);
    if constexpr (q < 2) return _mm256_and_si256(_mm256_slli_epi16(c, 4 - 2 * q), mask);
    if constexpr (q == 2) return _mm256_and_si256(c, mask);
    if constexpr (q == 3) return _mm256_and_si256(_mm256_srli_epi16(c, 2), mask);
  }
  template <int column, int zero>
  static __m256 int_weight(__m256i c) {
    const __m256i signed_codes = _mm256_sub_epi8(c, _mm256_set1_epi8(static_cast<char>(zero)));
    return _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_slli_epi32(signed_codes, 24 - 8 * column), 24));
  }
};

}  // namespace
}  // namespace tern
