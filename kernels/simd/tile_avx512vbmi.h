// AVX-512 with VBMI: two-source byte permutes gather the byte columns of four tiles in 8 steps, rows in order, and look
// up 128 entries at once.
#pragma once

#include "kernels/simd/select256_avx512vbmi.h"
#include "kernels/simd/tile_avx512.h"

namespace tern {
namespace {

struct Avx512Vbmi : Avx512 {
  // --- sums of all 256 bytes of a column (trit_byte_tables.h): low bytes of the entries, then high bytes, up to 7 ---
  static constexpr uint64_t kByteTableBytes = 512;
  struct ByteTable {
    Table256 low, high;
  };
  TERN_INLINE static ByteTable load_byte_table(const uint8_t* table) {
    return {load_table256(table), load_table256(table + 256)};
  }
  // Of 32 look-ups. Low bytes: pairs of rows as one int16, in which an odd row's sum counts 256 times, and the odd
  // rows.
  struct ByteSums {
    __m512i pairs, odd, high;
  };
  static ByteSums zero_byte_sums() { return {zero_bytes(), zero_bytes(), zero_bytes()}; }
  TERN_INLINE static ByteSums look_up_byte(const ByteTable& t, Bytes column, ByteSums s) {
    const Index256 index = index256(column);
    const __m512i low = select256(t.low, index);
    return {_mm512_add_epi16(s.pairs, low), _mm512_add_epi16(s.odd, _mm512_srli_epi16(low, 8)),
            add_bytes(s.high, select256(t.high, index))};
  }
  // What uses `next` later stays behind this look-up: GCC would ask for all lines of a block at once, and a burst waits
  // for itself.
  TERN_INLINE static void keep_order(uintptr_t& next, ByteSums& s) { asm("" : "+r"(next), "+v"(s.high)); }
  // sums[t] += of four tiles, a tile a lane.
  static void add_byte_sums(Ints* sums, const ByteSums& s) {
    const __m512i even = _mm512_add_epi16(s.pairs, _mm512_slli_epi16(_mm512_sub_epi16(s.high, s.odd), 8));
    const __m512i odd = _mm512_add_epi16(s.odd, _mm512_and_si512(s.high, _mm512_set1_epi16(-256)));
    const __m512i first = _mm512_unpacklo_epi16(even, odd), second = _mm512_unpackhi_epi16(even, odd);
    const __m512i zero = zero_bytes();
    add_lanes(sums, _mm512_unpacklo_epi16(first, zero), _mm512_unpackhi_epi16(first, zero),
              _mm512_unpacklo_epi16(second, zero), _mm512_unpackhi_epi16(second, zero));
  }
  // Of the four byte columns of a block.
  template <class Constants>
  static void build_byte_tables(const Constants& c, const int8_t* a, uint8_t* tables) {
    const __m512i plus = _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8((1u << 4 * Constants::kPlaces) - 1, a));
    const __m512i minus = _mm512_sub_epi16(zero_bytes(), plus);
    for (short j = 0; j < 4; ++j, tables += kByteTableBytes) {
      const auto place = [&](int i) TERN_LAMBDA {
        const __m512i at = _mm512_add_epi16(_mm512_load_si512(c.place[i]), _mm512_set1_epi16(j));
        return _mm512_permutex2var_epi16(plus, at, minus);
      };
      const __m512i first = _mm512_add_epi16(_mm512_add_epi16(place(0), place(1)), _mm512_set1_epi16(Constants::kLift));
      const __m512i second = _mm512_add_epi16(_mm512_add_epi16(place(2), place(3)), place(4));
      unroll<4>([&](auto i) TERN_LAMBDA {
        const __m512i e0 = entries(c, 64 * i(), first, second), e1 = entries(c, 64 * i() + 32, first, second);
        _mm512_store_si512(tables + 64 * i(), every_second<0>(e0, e1));
        _mm512_store_si512(tables + 256 + 64 * i(), every_second<1>(e0, e1));
      });
    }
  }

  static ByteColumns load_columns(const std::byte* const* tiles, uint64_t offset) {
    const Halves ab = gather(tiles[0] + offset, tiles[1] + offset), cd = gather(tiles[2] + offset, tiles[3] + offset);
    return {{_mm512_shuffle_i64x2(ab.first, cd.first, 0x44), _mm512_shuffle_i64x2(ab.first, cd.first, 0xee),
             _mm512_shuffle_i64x2(ab.second, cd.second, 0x44), _mm512_shuffle_i64x2(ab.second, cd.second, 0xee)}};
  }

 private:
  // Lane t of r0 holds rows 0..3 of tile t, of r4 rows 4..7, and so on: transposed to the 16 rows of each tile.
  static void add_lanes(Ints* sums, __m512i r0, __m512i r4, __m512i r8, __m512i r12) {
    const __m512i even0 = _mm512_shuffle_i32x4(r0, r4, 0x88), odd0 = _mm512_shuffle_i32x4(r0, r4, 0xdd);
    const __m512i even8 = _mm512_shuffle_i32x4(r8, r12, 0x88), odd8 = _mm512_shuffle_i32x4(r8, r12, 0xdd);
    sums[0] = add(sums[0], _mm512_shuffle_i32x4(even0, even8, 0x88));
    sums[1] = add(sums[1], _mm512_shuffle_i32x4(odd0, odd8, 0x88));
    sums[2] = add(sums[2], _mm512_shuffle_i32x4(even0, even8, 0xdd));
    sums[3] = add(sums[3], _mm512_shuffle_i32x4(odd0, odd8, 0xdd));
  }
  struct Order {  // of the bytes of two registers, the second from 64
    uint8_t byte[64];
  };
  template <class Constants>
  static __m512i entries(const Constants& c, int from, __m512i first, __m512i second) {
    return _mm512_add_epi16(_mm512_permutexvar_epi16(_mm512_load_si512(c.first + from), first),
                            _mm512_permutexvar_epi16(_mm512_load_si512(c.second + from), second));
  }
  static constexpr Order second_order(int from) {
    Order order{};
    for (int i = 0; i < 64; ++i) order.byte[i] = static_cast<uint8_t>(2 * i + from);
    return order;
  }
  template <int from>
  static __m512i every_second(__m512i a, __m512i b) {
    alignas(64) static constexpr Order kOrder = second_order(from);
    return _mm512_permutex2var_epi8(a, _mm512_load_si512(kOrder.byte), b);
  }
  // Byte 4 * row + column of two tiles.
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
