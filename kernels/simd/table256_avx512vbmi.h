// Tables of 256 sums of int16 in registers: the low bytes of all entries in four, the high bytes (plus 128) in four.
// Two byte permutes of two registers and the index's top bit look up 64 rows. Sums stay exact: bytes add up in 16 bits.
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

struct PackedBytes {  // byte `from` of the words that packus makes of four registers of 16 entries
  uint8_t byte[2][64];
};
constexpr PackedBytes packed_bytes() {
  PackedBytes order{};
  for (int i = 0; i < 128; ++i) {
    const int entry = i % 64, word = entry / 16 % 2 * 4 + entry % 4;
    order.byte[i / 64][entry] = static_cast<uint8_t>(entry / 32 * 64 + entry % 16 / 4 * 16 + 2 * word + i / 64);
  }
  return order;
}

struct Table256Vbmi {
  static constexpr int kTiles = 4;            // of 64 rows, beside one table in registers
  static constexpr uint64_t kPositions = 32;  // whose tables stay in the first cache; bytes of 257 fit 16 bits
  static constexpr uint64_t kBytes = 512;

  struct Table {
    Table256 low, high;
  };
  struct Sums {  // of both rows of a word, low + 256 * high, modulo 2^16; of the odd row
    __m512i low, low_odd, high, high_odd;
  };

  // blocks: 16 entries x 4 values (the encoding int, 8 bits; V multiplies them); sums that fit int16.
  template <class V>
  static void build(const std::byte* blocks, uint64_t length, const int8_t* a, uint8_t* table) {
    alignas(64) static constexpr PackedBytes kPacked = packed_bytes();
    const uint8_t* const bytes[] = {kPacked.byte[0], kPacked.byte[1]};
    int8_t padded[32] = {};
    int32_t sum = 0;
    for (uint64_t i = 0; i < length; ++i) sum += a[i];
    for (uint64_t i = 0; i < length && length % 4 != 0; ++i) padded[i] = a[i];
    const int8_t* input = length % 4 != 0 ? padded : a;
    const __m512i bias = _mm512_set1_epi32(32768 - V::kInt8Zero * sum);
    const auto entries = [&]() TERN_LAMBDA {
      auto s = V::zero_int8();
      for (uint64_t i = 0; i < length; i += 4, blocks += 64)
        s = V::dot_int8(s, V::split_int8(V::load_codes(blocks)), V::load_int8_input(input + i));
      return _mm512_add_epi32(V::widen_int8(s), bias);
    };
    for (int quarter = 0; quarter < 4; ++quarter, table += 64) {
      const __m512i s0 = entries(), s1 = entries(), s2 = entries(), s3 = entries();
      const __m512i first = _mm512_packus_epi32(s0, s1), second = _mm512_packus_epi32(s2, s3);
      unroll<2>([&](auto part) TERN_LAMBDA {
        const __m512i order = _mm512_load_si512(bytes[part()]);
        _mm512_storeu_si512(table + 256 * part(), _mm512_permutex2var_epi8(first, order, second));
      });
    }
  }

  TERN_INLINE static Table load(const uint8_t* p) { return {keep_table256(p), keep_table256(p + 256)}; }
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
      const __m512i low = rows_in_order(s.low, order, s.low_odd), high = rows_in_order(s.high, order, s.high_odd);
      unroll<2>([&](auto q) TERN_LAMBDA {
        constexpr int quarter = q();
        const __m512i low32 = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(low, quarter));
        const __m512i high32 = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(high, quarter));
        int32_t* to = sums + 32 * half() + 16 * quarter;
        const __m512i sum = _mm512_sub_epi32(_mm512_add_epi32(low32, _mm512_slli_epi32(high32, 8)), offset);
        _mm512_storeu_si512(to, _mm512_add_epi32(_mm512_loadu_si512(to), sum));
      });
    });
  }

 private:
  TERN_INLINE static void add(Sums& s, const Table& t, __m512i bytes) {
    const Index256 index = index256(bytes);
    const __m512i low = select256(t.low, index), high = select256(t.high, index);
    s.low = _mm512_add_epi16(s.low, low);
    s.low_odd = _mm512_add_epi16(s.low_odd, _mm512_srli_epi16(low, 8));
    s.high = _mm512_add_epi16(s.high, high);
    s.high_odd = _mm512_add_epi16(s.high_odd, _mm512_srli_epi16(high, 8));
  }
  // The even row's sum is what the odd row's, in the high byte, leaves.
  TERN_INLINE static __m512i rows_in_order(__m512i both, __m512i order, __m512i odd) {
    return _mm512_permutex2var_epi16(_mm512_sub_epi16(both, _mm512_slli_epi16(odd, 8)), order, odd);
  }
};

}  // namespace
}  // namespace tern
