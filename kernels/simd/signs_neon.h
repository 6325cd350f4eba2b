// Signs in words of 16 bits on NEON: registers 0 and 1 of a block are one plane, 2 and 3 the other (docs/format.md,
// "phase"). Base: the traits of the ISA.
#pragma once

#include "kernels/simd/sign_nibbles.h"
#include "kernels/simd/tile_neon.h"

namespace tern {
namespace {

template <class Base>
struct SignsNeon : Base {
  using typename Base::Codes;
  using typename Base::Floats;
  using typename Base::Ints;

  static Ints difference(const Ints& a, const Ints& b) {
    return Base::template each<Ints>([&](int i) { return vsubq_s32(a.v[i], b.v[i]); });
  }

  // The words of two blocks side by side: dwords of rows 0-3, 8-11 (part 0) or 4-7, 12-15 (part 1) of both planes.
  template <int part>
  static Codes join_words(const Codes& a, const Codes& b) {
    return Base::template each<Codes>([&](int i) {
      const uint16x8_t first = vreinterpretq_u16_u8(a.v[i]), second = vreinterpretq_u16_u8(b.v[i]);
      return vreinterpretq_u8_u16(part == 0 ? vzip1q_u16(first, second) : vzip2q_u16(first, second));
    });
  }
  static Ints first_plane(const Ints& part0, const Ints& part1) {
    return {{part0.v[0], part1.v[0], part0.v[1], part1.v[1]}};
  }
  static Ints second_plane(const Ints& part0, const Ints& part1) {
    return {{part0.v[2], part1.v[2], part0.v[3], part1.v[3]}};
  }
  template <int bit>
  static Codes bit_of_bytes(const Codes& c) {
    return Base::template each<Codes>([&](int i) {
      if constexpr (bit == 0) return vandq_u8(c.v[i], vdupq_n_u8(1));
      if constexpr (bit == 7) return vshrq_n_u8(c.v[i], 7);
      if constexpr (bit != 0 && bit != 7) return vandq_u8(vshrq_n_u8(c.v[i], bit), vdupq_n_u8(1));
    });
  }

  // 1 where the bit of a plane's words is set, else -1.
  template <int plane, int bit>
  static Floats sign_weights(const Codes& block) {
    const uint32x4_t sign = vdupq_n_u32(0x80000000u), one = vdupq_n_u32(0x3f800000u);
    return Base::template each<Floats>([&](int i) {
      const uint16x8_t words = vreinterpretq_u16_u8(block.v[2 * plane + i / 2]);
      const uint32x4_t wide = i % 2 == 0 ? vmovl_u16(vget_low_u16(words)) : vmovl_high_u16(words);
      return vreinterpretq_f32_u32(vorrq_u32(one, vbicq_u32(sign, vshlq_n_u32(wide, 31 - bit))));
    });
  }

  // --- tables of nibbles; ld2 parts the two bytes of the words, rows in order ---
  static constexpr int kSignRuns = 1;
  static constexpr uint64_t kSignTableBytes = kNibbleUnitBytes;
  static constexpr uint64_t kSignUnits = 16;  // a unit adds at most 8 * 508 to a uint16: 16 * 4064 < 2^16
  struct SignSums {                           // rows 0-7 and 8-15 of e1r, e2r, e1i, e2i
    uint16x8_t v[8];
  };
  static SignSums zero_signs() {
    const uint16x8_t z = vdupq_n_u16(0);
    return {{z, z, z, z, z, z, z, z}};
  }
  static void build_sign_tables(const int8_t* xr, const int8_t* xi, uint8_t* tables) {
    build_nibble_tables(xr, xi, tables);
  }

  template <int runs, class Prefetch>
  TERN_INLINE static void look_up_unit(const std::byte* const* codes, uint64_t offset, uint64_t step,
                                       const uint8_t* tables, SignSums (&s)[runs], const Prefetch& prefetch) {
    static_assert(runs == 1);
    uint8x16_t low[4], high[4];  // e1r, e2r, e1i, e2i: 8 look-ups of at most 31 and 15
    for (int i = 0; i < 4; ++i) low[i] = high[i] = vdupq_n_u8(0);
    unroll<2>([&](auto h) TERN_LAMBDA {
      prefetch(codes[0] + offset + h * step);
      look_up_block(codes[0] + offset + h * step, tables + 4 * h * kNibbleTableBytes, low, high);
    });
    unroll<4>([&](auto i) TERN_LAMBDA {
      s[0].v[2 * i] = vaddq_u16(s[0].v[2 * i], vaddw_u8(vshll_n_u8(vget_low_u8(high[i]), 5), vget_low_u8(low[i])));
      s[0].v[2 * i + 1] = vaddq_u16(s[0].v[2 * i + 1], vaddw_high_u8(vshll_high_n_u8(high[i], 5), low[i]));
    });
  }

  template <class BitSums>
  static void add_signs(BitSums& sums, const SignSums& s) {
    add_rows(sums.e1r, s.v[0], s.v[1]);
    add_rows(sums.e2r, s.v[2], s.v[3]);
    add_rows(sums.e1i, s.v[4], s.v[5]);
    add_rows(sums.e2i, s.v[6], s.v[7]);
  }

  static constexpr int kPartsAtOnce = 1, kPhaseTokens = 2, kPhaseFloatTokens = 1;

 private:
  static void look_up_block(const std::byte* block, const uint8_t* tables, uint8x16_t (&low)[4],
                            uint8x16_t (&high)[4]) {
    const uint8_t* words = reinterpret_cast<const uint8_t*>(block);
    const uint8x16x2_t planes[2] = {vld2q_u8(words), vld2q_u8(words + 32)};
    unroll2<2, 2>([&](auto j, auto n) TERN_LAMBDA {
      const uint8_t* table = tables + (2 * j + n) * kNibbleTableBytes;
      unroll<2>([&](auto p) TERN_LAMBDA {
        const uint8x16_t bytes = planes[p].val[j];
        const uint8x16_t nibbles = n == 0 ? Base::low_nibbles(bytes) : Base::high_nibbles(bytes);
        low[p] = vaddq_u8(low[p], vqtbl1q_u8(vld1q_u8(table), nibbles));
        high[p] = vaddq_u8(high[p], vqtbl1q_u8(vld1q_u8(table + 16), nibbles));
        low[2 + p] = vaddq_u8(low[2 + p], vqtbl1q_u8(vld1q_u8(table + 32), nibbles));
        high[2 + p] = vaddq_u8(high[2 + p], vqtbl1q_u8(vld1q_u8(table + 48), nibbles));
      });
    });
  }
  static void add_rows(Ints& sums, uint16x8_t first, uint16x8_t second) {
    const uint32x4_t rows[4] = {vmovl_u16(vget_low_u16(first)), vmovl_high_u16(first), vmovl_u16(vget_low_u16(second)),
                                vmovl_high_u16(second)};
    for (int i = 0; i < 4; ++i) sums.v[i] = vaddq_s32(sums.v[i], vreinterpretq_s32_u32(rows[i]));
  }
};

}  // namespace
}  // namespace tern
