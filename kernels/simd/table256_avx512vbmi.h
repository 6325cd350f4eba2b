// Tables of 256 sums of int16 in registers: the low bytes of all entries in four, the high bytes (plus 128) in four. Two
// byte permutes of two registers and the index's top bit look up 64 rows. Sums stay exact: bytes add up in 16 bits.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/simd/select256_avx512vbmi.h"

namespace tern {
namespace {

struct Interleave {  // even and odd rows back in order: words of one register, then from 32 of the other
  uint16_t word[2][32];
};
constexpr Interleave interleave() {
  Interleave order{};
  for (int i = 0; i < 64; ++i) order.word[i / 32][i % 32] = static_cast<uint16_t>(i / 2 + 32 * (i % 2));
  return order;
}

struct Table256Vbmi {
  static constexpr int kTiles = 4;               // of 64 rows, beside one table in registers
  static constexpr uint64_t kFlush = 128;        // positions, as many as bytes fit 16 bits and tables the second cache
  static constexpr uint64_t kBytes = 512;

  struct Table {
    Table256 low, high;
  };
  struct Sums {
    __m512i low_even, low_odd, high_even, high_odd;
  };

  // book: [value][256] int16; entries whose sums fit int16.
  static void build(const int16_t* book, uint64_t length, const int8_t* a, uint8_t* table) {
    const __m512i even = order(0), odd = order(1);
    for (int pair = 0; pair < 4; ++pair, book += 64, table += 64) {
      __m512i first = _mm512_setzero_si512(), second = first;
      for (uint64_t i = 0; i < length; ++i) {
        const __m512i input = _mm512_set1_epi16(a[i]);
        const int16_t* values = book + i * 256;
        first = _mm512_add_epi16(first, _mm512_mullo_epi16(_mm512_loadu_si512(values), input));
        second = _mm512_add_epi16(second, _mm512_mullo_epi16(_mm512_loadu_si512(values + 32), input));
      }
      const __m512i bias = _mm512_set1_epi16(-32768);
      first = _mm512_xor_si512(first, bias), second = _mm512_xor_si512(second, bias);
      _mm512_storeu_si512(table, _mm512_permutex2var_epi8(first, even, second));
      _mm512_storeu_si512(table + 256, _mm512_permutex2var_epi8(first, odd, second));
    }
  }

  TERN_INLINE static Table load(const uint8_t* p) { return {load_table256(p), load_table256(p + 256)}; }
  TERN_INLINE static Sums zero() {
    const __m512i z = _mm512_setzero_si512();
    return {z, z, z, z};
  }
  // Looks up 64 bytes at p; add_some: those of `rows`, a set of lanes.
  TERN_INLINE static void add(Sums& s, const Table& t, const std::byte* p) { add(s, t, _mm512_loadu_si512(p)); }
  TERN_INLINE static void add_some(Sums& s, const Table& t, const std::byte* p, uint64_t rows) {
    add(s, t, _mm512_maskz_loadu_epi8(rows, p));
  }
  // sums[row] += what `count` look-ups gave.
  static void flush(const Sums& s, int32_t count, int32_t* sums) {
    alignas(64) static constexpr Interleave kRows = interleave();
    const uint16_t* const words[] = {kRows.word[0], kRows.word[1]};
    const __m512i offset = _mm512_set1_epi32(count << 15);
    unroll<2>([&](auto half) TERN_LAMBDA {
      const __m512i order = _mm512_load_si512(words[half]);
      const __m512i low = _mm512_permutex2var_epi16(s.low_even, order, s.low_odd);
      const __m512i high = _mm512_permutex2var_epi16(s.high_even, order, s.high_odd);
      unroll<2>([&](auto quarter) TERN_LAMBDA {
        const __m512i low32 = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(low, quarter()));
        const __m512i high32 = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(high, quarter()));
        int32_t* to = sums + 32 * half() + 16 * quarter();
        const __m512i sum = _mm512_sub_epi32(_mm512_add_epi32(low32, _mm512_slli_epi32(high32, 8)), offset);
        _mm512_storeu_si512(to, _mm512_add_epi32(_mm512_loadu_si512(to), sum));
      });
    });
  }

 private:
  TERN_INLINE static void add(Sums& s, const Table& t, __m512i bytes) {
    const __m512i mask = _mm512_set1_epi16(255);
    const Index256 index = index256(bytes);
    const __m512i low = select256(t.low, index), high = select256(t.high, index);
    s.low_even = _mm512_add_epi16(s.low_even, _mm512_and_si512(low, mask));
    s.low_odd = _mm512_add_epi16(s.low_odd, _mm512_srli_epi16(low, 8));
    s.high_even = _mm512_add_epi16(s.high_even, _mm512_and_si512(high, mask));
    s.high_odd = _mm512_add_epi16(s.high_odd, _mm512_srli_epi16(high, 8));
  }
  // Every second byte of two registers.
  static __m512i order(int from) {
    uint8_t bytes[64];
    for (int i = 0; i < 64; ++i) bytes[i] = static_cast<uint8_t>(2 * i + from);
    return _mm512_loadu_si512(bytes);
  }
};

}  // namespace
}  // namespace tern
