// AVX-512 with VBMI: two-source byte permutes gather the byte columns of four tiles in 8 steps, not 12, rows in order.
#pragma once

#include "kernels/simd/tile_avx512.h"

namespace tern {
namespace {

struct Avx512Vbmi : Avx512 {
  static ByteColumns load_columns(const std::byte* const* tiles, uint64_t offset) {
    const Halves ab = gather(tiles[0] + offset, tiles[1] + offset), cd = gather(tiles[2] + offset, tiles[3] + offset);
    return {{_mm512_shuffle_i64x2(ab.first, cd.first, 0x44), _mm512_shuffle_i64x2(ab.first, cd.first, 0xee),
             _mm512_shuffle_i64x2(ab.second, cd.second, 0x44), _mm512_shuffle_i64x2(ab.second, cd.second, 0xee)}};
  }
  // Lane t holds tile t: four rows of all tiles in each of four registers, transposed to four times four rows of one.
  static void add_tables(Ints* sums, const TableSums& s) {
    const __m512i zero = _mm512_setzero_si512();
    const __m512i low0 = _mm512_unpacklo_epi16(s.low_even, s.low_odd),
                  high0 = _mm512_unpacklo_epi16(s.high_even, s.high_odd);
    const __m512i low8 = _mm512_unpackhi_epi16(s.low_even, s.low_odd),
                  high8 = _mm512_unpackhi_epi16(s.high_even, s.high_odd);
    const __m512i r0 = joined(_mm512_unpacklo_epi16(low0, zero), _mm512_unpacklo_epi16(high0, zero));
    const __m512i r4 = joined(_mm512_unpackhi_epi16(low0, zero), _mm512_unpackhi_epi16(high0, zero));
    const __m512i r8 = joined(_mm512_unpacklo_epi16(low8, zero), _mm512_unpacklo_epi16(high8, zero));
    const __m512i r12 = joined(_mm512_unpackhi_epi16(low8, zero), _mm512_unpackhi_epi16(high8, zero));
    const __m512i even0 = _mm512_shuffle_i32x4(r0, r4, 0x88), odd0 = _mm512_shuffle_i32x4(r0, r4, 0xdd);
    const __m512i even8 = _mm512_shuffle_i32x4(r8, r12, 0x88), odd8 = _mm512_shuffle_i32x4(r8, r12, 0xdd);
    sums[0] = add(sums[0], _mm512_shuffle_i32x4(even0, even8, 0x88));
    sums[1] = add(sums[1], _mm512_shuffle_i32x4(odd0, odd8, 0x88));
    sums[2] = add(sums[2], _mm512_shuffle_i32x4(even0, even8, 0xdd));
    sums[3] = add(sums[3], _mm512_shuffle_i32x4(odd0, odd8, 0xdd));
  }

 private:
  struct Order {  // byte 4 * row + column of one of two tiles, the second from 64
    uint8_t byte[64];
  };
  static constexpr Order order_of(int column) {
    Order order{};
    for (int i = 0; i < 64; ++i)
      order.byte[i] = static_cast<uint8_t>(4 * (i % 16) + column + i / 32 + 64 * (i / 16 % 2));
    return order;
  }
  struct Halves {  // byte columns 0, 1 and 2, 3 of two tiles: column 0 of a, of b, column 1 of a, of b
    __m512i first, second;
  };
  static Halves gather(const std::byte* a, const std::byte* b) {
    alignas(64) static constexpr Order kFirst = order_of(0), kSecond = order_of(2);
    const __m512i codes_a = load_codes(a), codes_b = load_codes(b);
    return {_mm512_permutex2var_epi8(codes_a, _mm512_load_si512(kFirst.byte), codes_b),
            _mm512_permutex2var_epi8(codes_a, _mm512_load_si512(kSecond.byte), codes_b)};
  }
};

}  // namespace
}  // namespace tern
