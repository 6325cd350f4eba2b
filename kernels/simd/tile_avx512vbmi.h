// AVX-512 with VBMI: two-source byte permutes gather the byte columns of four tiles in 8 steps, rows in order, and look up
// 128 entries at once.
#pragma once

#include "kernels/simd/tile_avx512.h"

namespace tern {
namespace {

struct Avx512Vbmi : Avx512 {
  // --- sums of all 256 bytes of a column (trit_byte_tables.h): low bytes of the entries, then high bytes ---
  static constexpr uint64_t kByteTableBytes = 512;
  struct ByteTable {
    __m512i low[4], high[4];
  };
  TERN_INLINE static ByteTable load_byte_table(const uint8_t* table) {
    ByteTable t;
    unroll<4>([&](auto i) TERN_LAMBDA {
      t.low[i] = _mm512_load_si512(table + 64 * i());
      t.high[i] = _mm512_load_si512(table + 256 + 64 * i());
    });
    return t;
  }
  struct WordSums {  // uint16 of rows 0..7 and rows 8..15 of four tiles, a tile a lane
    __m512i first, second;
  };
  static WordSums zero_words() { return {zero_bytes(), zero_bytes()}; }
  TERN_INLINE static WordSums look_up_byte(const ByteTable& t, Bytes index, WordSums s) {
    const __mmask64 upper = _mm512_movepi8_mask(index);
    const __m512i low = select(upper, t.low, index), high = select(upper, t.high, index);
    return {_mm512_add_epi16(s.first, _mm512_unpacklo_epi8(low, high)),
            _mm512_add_epi16(s.second, _mm512_unpackhi_epi8(low, high))};
  }
  static void add_words(Ints* sums, const WordSums& s) {
    const __m512i zero = _mm512_setzero_si512();
    add_lanes(sums, _mm512_unpacklo_epi16(s.first, zero), _mm512_unpackhi_epi16(s.first, zero),
              _mm512_unpacklo_epi16(s.second, zero), _mm512_unpackhi_epi16(s.second, zero));
  }
  // Of the activations a[0], a[4], ... of the five places.
  template <class Constants>
  static void build_byte_table(const Constants& c, const int8_t* a, uint8_t* table) {
    const __m512i first = add_places<0, 2>(c, a), second = add_places<2, 5>(c, a);
    unroll<4>([&](auto i) TERN_LAMBDA {
      const __m512i e0 = entries(c, 64 * i(), first, second), e1 = entries(c, 64 * i() + 32, first, second);
      _mm512_store_si512(table + 64 * i(), even_bytes(e0, e1));
      _mm512_store_si512(table + 256 + 64 * i(), even_bytes(_mm512_srli_epi16(e0, 8), _mm512_srli_epi16(e1, 8)));
    });
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
  TERN_INLINE static Bytes select(__mmask64 upper, const __m512i (&table)[4], Bytes index) {
    return _mm512_mask_blend_epi8(upper, _mm512_permutex2var_epi8(table[0], index, table[1]),
                                  _mm512_permutex2var_epi8(table[2], index, table[3]));
  }
  template <int begin, int end, class Constants>
  static __m512i add_places(const Constants& c, const int8_t* a) {
    __m512i sums = _mm512_setzero_si512();
    for (int place = begin; place < end; ++place) {
      const short one = a[4 * place];
      const __m512i activation = _mm512_set1_epi16(one);
      const __m512i lift = _mm512_set1_epi16(static_cast<short>(one < 0 ? -one : 0));
      sums = _mm512_add_epi16(sums, _mm512_add_epi16(lift, _mm512_add_epi16(lift, lift)));
      sums = _mm512_mask_add_epi16(sums, c.one[place], sums, activation);
      sums = _mm512_mask_add_epi16(sums, c.two[place], sums, _mm512_add_epi16(activation, activation));
    }
    return sums;
  }
  template <class Constants>
  static __m512i entries(const Constants& c, int from, __m512i first, __m512i second) {
    return _mm512_add_epi16(_mm512_permutexvar_epi16(_mm512_load_si512(c.first + from), first),
                            _mm512_permutexvar_epi16(_mm512_load_si512(c.second + from), second));
  }
  static constexpr Order even_order() {
    Order order{};
    for (int i = 0; i < 64; ++i) order.byte[i] = static_cast<uint8_t>(2 * i);
    return order;
  }
  static __m512i even_bytes(__m512i a, __m512i b) {
    alignas(64) static constexpr Order kEven = even_order();
    return _mm512_permutex2var_epi8(a, _mm512_load_si512(kEven.byte), b);
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
