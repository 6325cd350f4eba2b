// Signs in words of 16 bits on AVX-512: a block is 16 words of one plane, then 16 of another (docs/format.md, "phase").
// Base: the traits of the ISA.
#pragma once

#include "kernels/simd/tile_avx512.h"

namespace tern {
namespace {

template <class Base>
struct Signs512 : Base {
  using typename Base::Codes;
  using typename Base::Floats;
  using typename Base::Ints;

  static Ints difference(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }

  // The words of two blocks side by side: dwords of rows 0-3, 8-11 (part 0) or 4-7, 12-15 (part 1) of both planes.
  template <int part>
  static Codes join_words(Codes first, Codes second) {
    return part == 0 ? _mm512_unpacklo_epi16(first, second) : _mm512_unpackhi_epi16(first, second);
  }
  static Ints first_plane(Ints part0, Ints part1) {
    return _mm512_permutex2var_epi64(part0, _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), part1);
  }
  static Ints second_plane(Ints part0, Ints part1) {
    return _mm512_permutex2var_epi64(part0, _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), part1);
  }
  template <int bit>
  static Codes bit_of_bytes(Codes c) {
    return _mm512_and_si512(bit == 0 ? c : _mm512_srli_epi16(c, bit), _mm512_set1_epi8(1));
  }

  // 1 where the bit of a plane's words is set, else -1.
  template <int plane, int bit>
  static Floats sign_weights(Codes block) {
    const __m512i words = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(block, plane));
    constexpr int kOneButSign = 0xf2;  // one | (mask & ~sign)
    return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(
        _mm512_set1_epi32(0x3f800000), _mm512_slli_epi32(words, 31 - bit), _mm512_set1_epi32(INT32_MIN), kOneButSign));
  }

  // --- tables: a word is an index of 5, one of 5 and one of 6 bits, into tables of int16 (vpermw, vpermi2w). Of the 32
  // columns of a unit block h has 4k + 2h + j for bit k of byte j. Four registers for each half of the input. ---
  static constexpr int kSignRuns = 8;
  static constexpr uint64_t kSignTableBytes = 2 * 8 * 64;
  static constexpr uint64_t kSignUnits = 16;  // a unit adds at most 32 * 127 to a uint16: 16 * 4064 < 2^16
  struct SignSums {                           // uint16, both planes
    __m512i r, i;
  };
  static SignSums zero_signs() { return {_mm512_setzero_si512(), _mm512_setzero_si512()}; }

  static void build_sign_tables(const int8_t* xr, const int8_t* xi, uint8_t* tables) {
    for (int h = 0; h < 2; ++h, tables += 8 * 64) {
      build_half(xr + 2 * h, tables);
      build_half(xi + 2 * h, tables + 4 * 64);
    }
  }

  template <int runs, class Prefetch>
  TERN_INLINE static void look_up_unit(const std::byte* const* codes, uint64_t offset, uint64_t step,
                                       const uint8_t* tables, SignSums (&s)[runs], const Prefetch& prefetch) {
    for (int h = 0; h < 2; ++h, offset += step, tables += 8 * 64) {
      __m512i t[8];
      unroll<8>([&](auto i) TERN_LAMBDA { t[i] = _mm512_load_si512(tables + 64 * i); });
      unroll<runs>([&](auto r) TERN_LAMBDA {
        prefetch(codes[r] + offset);
        prefetch_near(codes[r] + offset);
        const __m512i low = _mm512_load_si512(codes[r] + offset);
        const __m512i middle = _mm512_srli_epi16(low, 5), high = _mm512_srli_epi16(low, 10);
        __m512i r0 = _mm512_permutexvar_epi16(low, t[0]), i0 = _mm512_permutexvar_epi16(low, t[4]);
        __m512i r1 = _mm512_permutexvar_epi16(middle, t[1]), i1 = _mm512_permutexvar_epi16(middle, t[5]);
        __m512i r2 = _mm512_permutex2var_epi16(t[2], high, t[3]), i2 = _mm512_permutex2var_epi16(t[6], high, t[7]);
        // All look-ups, then all additions: mixed, additions take turns on the two ports of Zen 4 that permute.
        asm volatile("" : "+v"(r0), "+v"(i0), "+v"(r1), "+v"(i1), "+v"(r2), "+v"(i2));
        s[r].r = _mm512_add_epi16(_mm512_add_epi16(_mm512_add_epi16(s[r].r, r0), r1), r2);
        s[r].i = _mm512_add_epi16(_mm512_add_epi16(_mm512_add_epi16(s[r].i, i0), i1), i2);
        asm volatile("" : "+v"(s[r].r), "+v"(s[r].i));
      });
    }
  }

  template <class BitSums>
  static void add_signs(BitSums& sums, const SignSums& s) {
    sums.e1r = Base::add(sums.e1r, plane_of<0>(s.r)), sums.e2r = Base::add(sums.e2r, plane_of<1>(s.r));
    sums.e1i = Base::add(sums.e1i, plane_of<0>(s.i)), sums.e2i = Base::add(sums.e2i, plane_of<1>(s.i));
  }

  static constexpr int kPartsAtOnce = 2, kPhaseTokens = 4, kPhaseFloatTokens = 4;

 private:
  // From the second cache into the first; may point beyond the tensor.
  TERN_INLINE static void prefetch_near(const std::byte* block) {
    constexpr uintptr_t kNearAhead = 1024;
    __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(block) + kNearAhead));
  }
  template <int plane>
  static Ints plane_of(__m512i words) {
    return _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(words, plane));
  }
  // Entry n of a table is the sum of the columns whose bits are set in n, made non-negative by the sum of all negative
  // ones.
  static void build_half(const int8_t* x, uint8_t* tables) {
    constexpr __mmask32 kSet[5] = {0xaaaaaaaa, 0xcccccccc, 0xf0f0f0f0, 0xff00ff00, 0xffff0000};
    const auto table = [&](int first, int bits) TERN_LAMBDA {
      int16_t base = 0;
      for (int b = first; b < first + bits; ++b)
        base = static_cast<int16_t>(base + (x[column(b)] < 0 ? -x[column(b)] : 0));
      __m512i t = _mm512_set1_epi16(base);
      unroll<5>([&](auto b)
                    TERN_LAMBDA { t = _mm512_mask_add_epi16(t, kSet[b], t, _mm512_set1_epi16(x[column(first + b)])); });
      return t;
    };
    const __m512i last = table(10, 6);
    _mm512_store_si512(tables, table(0, 5));
    _mm512_store_si512(tables + 64, table(5, 5));
    _mm512_store_si512(tables + 128, last);
    _mm512_store_si512(tables + 192, _mm512_add_epi16(last, _mm512_set1_epi16(x[column(15)])));
  }
  static constexpr int column(int bit) { return bit % 8 * 4 + bit / 8; }
};

}  // namespace
}  // namespace tern
