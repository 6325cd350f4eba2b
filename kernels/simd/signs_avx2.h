// Signs in words of 16 bits on AVX2: the two registers of a block are its two planes (docs/format.md, "phase").
// Base: the traits of the ISA.
#pragma once

#include "kernels/simd/sign_nibbles.h"
#include "kernels/simd/tile_avx2.h"

namespace tern {
namespace {

template <class Base>
struct Signs256 : Base {
  using typename Base::Codes;
  using typename Base::Floats;
  using typename Base::Ints;

  static Ints difference(Ints a, Ints b) { return {_mm256_sub_epi32(a.lo, b.lo), _mm256_sub_epi32(a.hi, b.hi)}; }

  // The words of two blocks side by side: dwords of rows 0-3, 8-11 (part 0) or 4-7, 12-15 (part 1), a plane a register.
  template <int part>
  static Codes join_words(Codes a, Codes b) {
    if constexpr (part == 0) return {_mm256_unpacklo_epi16(a.lo, b.lo), _mm256_unpacklo_epi16(a.hi, b.hi)};
    if constexpr (part == 1) return {_mm256_unpackhi_epi16(a.lo, b.lo), _mm256_unpackhi_epi16(a.hi, b.hi)};
  }
  static Ints first_plane(Ints part0, Ints part1) { return rows_in_order(part0.lo, part1.lo); }
  static Ints second_plane(Ints part0, Ints part1) { return rows_in_order(part0.hi, part1.hi); }
  template <int bit>
  static Codes bit_of_bytes(Codes c) {
    const __m256i one = _mm256_set1_epi8(1);
    return {_mm256_and_si256(_mm256_srli_epi16(c.lo, bit), one), _mm256_and_si256(_mm256_srli_epi16(c.hi, bit), one)};
  }

  // 1 where the bit of a plane's words is set, else -1.
  template <int plane, int bit>
  static Floats sign_weights(Codes block) {
    const __m256i words = plane == 0 ? block.lo : block.hi;
    return {one_or_minus_one<bit>(_mm256_castsi256_si128(words)),
            one_or_minus_one<bit>(_mm256_extracti128_si256(words, 1))};
  }

  // --- tables of nibbles. Even bytes stand for the rows of the first plane, odd ones for those of the second. ---
  static constexpr int kSignRuns = 2;
  static constexpr uint64_t kSignTableBytes = kNibbleUnitBytes;
  // Sums of the bytes as they come, so that even ones are too large by 256 times odd ones, and of odd ones alone: 16
  // bits hold 256 units, in each of which a byte gets 8 look-ups, at most 248.
  static constexpr uint64_t kSignUnits = 256;
  struct SignSums {  // low and high bytes of the first half of the input, then of the second
    __m256i all[4], odd[4];
  };
  static SignSums zero_signs() {
    const __m256i z = _mm256_setzero_si256();
    return {{z, z, z, z}, {z, z, z, z}};
  }
  static void build_sign_tables(const int8_t* xr, const int8_t* xi, uint8_t* tables) {
    build_nibble_tables(xr, xi, tables);
  }

  template <int runs, class Prefetch>
  TERN_INLINE static void look_up_unit(const std::byte* const* codes, uint64_t offset, uint64_t step,
                                       const uint8_t* tables, SignSums (&s)[runs], const Prefetch& prefetch) {
    __m256i bytes[runs][4];
    unroll2<runs, 4>([&](auto r, auto i) TERN_LAMBDA { bytes[r][i] = _mm256_setzero_si256(); });
    unroll<2>([&](auto h) TERN_LAMBDA {
      __m256i parts[runs][2];
      unroll<runs>([&](auto r) TERN_LAMBDA {
        prefetch(codes[r] + offset + h * step);
        part_words(codes[r] + offset + h * step, parts[r]);
      });
      unroll2<2, 2>([&](auto j, auto n) TERN_LAMBDA {
        __m256i nibbles[runs];
        unroll<runs>([&](auto r) TERN_LAMBDA {
          nibbles[r] = n == 0 ? Base::low_nibbles(parts[r][j]) : Base::high_nibbles(parts[r][j]);
        });
        unroll<4>([&](auto i) TERN_LAMBDA {
          const __m256i table = Base::load_table(tables + (4 * h + 2 * j + n) * kNibbleTableBytes + 16 * i);
          unroll<runs>([&](auto r) TERN_LAMBDA {
            bytes[r][i] = _mm256_add_epi8(bytes[r][i], _mm256_shuffle_epi8(table, nibbles[r]));
          });
        });
      });
    });
    unroll2<runs, 4>([&](auto r, auto i) TERN_LAMBDA {
      s[r].all[i] = _mm256_add_epi16(s[r].all[i], bytes[r][i]);
      s[r].odd[i] = _mm256_add_epi16(s[r].odd[i], _mm256_srli_epi16(bytes[r][i], 8));
    });
  }

  template <class BitSums>
  static void add_signs(BitSums& sums, const SignSums& s) {
    add_half(sums.e1r, sums.e2r, s, 0);
    add_half(sums.e1i, sums.e2i, s, 2);
  }

  static constexpr int kPartsAtOnce = 1, kPhaseTokens = 2, kPhaseFloatTokens = 1;

 private:
  static Ints rows_in_order(__m256i part0, __m256i part1) {
    return {_mm256_permute2x128_si256(part0, part1, 0x20), _mm256_permute2x128_si256(part0, part1, 0x31)};
  }
  template <int bit>
  static __m256 one_or_minus_one(__m128i words) {
    const __m256i shifted = _mm256_slli_epi32(_mm256_cvtepu16_epi32(words), 31 - bit);
    const __m256 sign = _mm256_andnot_ps(_mm256_castsi256_ps(shifted), _mm256_set1_ps(-0.f));
    return _mm256_or_ps(sign, _mm256_set1_ps(1.f));
  }

  // Loads a byte off within the block bring the bytes of both planes to their places: shuffles would share the pipes of
  // the look-ups.
  static void part_words(const std::byte* block, __m256i (&bytes)[2]) {
    const auto at = [&](int byte)
                        TERN_LAMBDA { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + byte)); };
    const __m256i odd = _mm256_set1_epi16(-256);
    bytes[0] = _mm256_blendv_epi8(at(0), at(31), odd), bytes[1] = _mm256_blendv_epi8(at(1), at(32), odd);
  }

  static void add_half(Ints& first, Ints& second, const SignSums& s, int i) {
    add_plane(first, even(s, i), even(s, i + 1));
    add_plane(second, s.odd[i], s.odd[i + 1]);
  }
  static __m256i even(const SignSums& s, int i) { return _mm256_sub_epi16(s.all[i], _mm256_slli_epi16(s.odd[i], 8)); }
  static void add_plane(Ints& sums, __m256i low, __m256i high) {  // rows 0-7, 8-15 as words
    const auto widened = [](__m128i l, __m128i h) TERN_LAMBDA {
      return _mm256_add_epi32(_mm256_cvtepu16_epi32(l), _mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 5));
    };
    sums = Base::add(sums, {widened(_mm256_castsi256_si128(low), _mm256_castsi256_si128(high)),
                            widened(_mm256_extracti128_si256(low, 1), _mm256_extracti128_si256(high, 1))});
  }
};

}  // namespace
}  // namespace tern
