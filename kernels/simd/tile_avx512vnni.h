// AVX-512 with VNNI.
#pragma once

#include "kernels/simd/tile_avx512.h"
#include "kernels/simd/tile_dpbusd.h"

namespace tern {
namespace {

struct Avx512VnniDot {
  using Input = __m512i;
  static __m512i add(__m512i s, __m512i c, Input a) { return _mm512_dpbusd_epi32(s, c, a); }
};

// The digits of 0 to 26 in base 3, two and one of each.
struct TripleDigits {
  alignas(64) uint8_t pair[64] = {}, last[64] = {};

  constexpr TripleDigits() {
    for (int i = 0; i < 27; ++i)
      pair[2 * i] = uint8_t(i % 3), pair[2 * i + 1] = uint8_t(i / 3 % 3), last[2 * i] = uint8_t(i / 9);
  }
};

struct Avx512Vnni : DpBusd<Avx512, Avx512VnniDot> {
  static constexpr int kTritTiles = 1, kTrit5Tiles = 1, kTritBatchTiles = 2, kTritTokens = 8, kTritChains = 4;
  static constexpr int kInt8Tiles = 1, kInt8BatchTiles = 2, kInt8Tokens = 8, kInt8Chains = 4;

  // --- three trits an index (trit_mixed.h); a register of indices or sums has rows r of two tiles side by side ---
  using Words = __m512i;  // int16
  static Words zero_words() { return zero_ints(); }
  static void store_codes(std::byte* p, Codes c) { _mm512_store_si512(p, c); }
  // Bytes in which both bits of some place of the block are set, too.
  static Codes or_threes(Codes seen, Codes block) {
    constexpr int kOrOfAnd = 0xea;  // seen | both
    const __m512i both = _mm512_and_si512(_mm512_srli_epi16(block, 1), _mm512_set1_epi8(0x55));
    return _mm512_ternarylogic_epi32(both, block, seen, kOrOfAnd);
  }
  static bool any(Codes c) { return _mm512_test_epi32_mask(c, c) != 0; }
  // sum + 3^place c
  template <int place>
  static Codes add_digit(Codes sum, Codes c) {
    return _mm512_add_epi8(sum, place == 1 ? triple(c) : triple(triple(c)));
  }
  // Byte j of the rows in the low bits of words; permutes ignore all but five.
  template <int j>
  static Codes triple_indices(Codes even, Codes odd) {
    const __m512i low = j == 0 ? even : _mm512_srli_epi32(even, 8 * j);
    const __m512i high = j == 2 ? odd : j < 2 ? _mm512_slli_epi32(odd, 16 - 8 * j) : _mm512_srli_epi32(odd, 8);
    return _mm512_mask_blend_epi16(0xaaaaaaaa, low, high);
  }
  // The compiler may neither load a table for each of its look-ups nor keep a sum elsewhere meanwhile: 32 registers
  // just do.
  TERN_INLINE static void look_up_words(Words& s, const Codes& table, const Codes& index) {
    __m512i found = _mm512_permutexvar_epi16(index, table);
    keep(found);
    s = _mm512_add_epi16(s, found);
    keep(s);
  }
  TERN_INLINE static void keep(__m512i& v) { asm volatile("" : "+v"(v)); }
  template <int which>
  static Ints add_words(Ints s, Words words) {
    return _mm512_dpwssd_epi32(s, words, _mm512_set1_epi32(which == 0 ? 1 : 1 << 16));
  }
  // Four tables, `stride` bytes apart: of columns j, 4 + j and 8 + j of twelve.
  static void build_triples(const int8_t* a, std::byte* to, uint64_t stride) {
    static constexpr TripleDigits kDigits;
    const __m128i order = _mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, -1, 9, -1, 10, -1, 11, -1);
    const __m512i twelve = _mm512_castsi128_si512(_mm_shuffle_epi8(_mm_maskz_loadu_epi8(0xfff, a), order));
    const __m512i pair = _mm512_load_si512(kDigits.pair), last = _mm512_load_si512(kDigits.last);
    unroll<4>([&](auto j) TERN_LAMBDA {
      const __m512i first = _mm512_permutexvar_epi16(_mm512_set1_epi16(j()), twelve);
      const __m512i third = _mm512_permutexvar_epi16(_mm512_set1_epi16(4 + j()), twelve);
      store_codes(to + j() * stride,
                  _mm512_add_epi16(_mm512_maddubs_epi16(pair, first), _mm512_maddubs_epi16(last, third)));
    });
  }
};

}  // namespace
}  // namespace tern
