// Armv8.0 NEON: the 16 rows of a tile are four registers of four rows. Internal linkage, as in tile_avx2.h.
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

#include "kernels/simd/unroll.h"

namespace tern {
namespace {

struct Neon {
  struct Floats {
    float32x4_t v[4];
  };
  struct Ints {  // int32 per row
    int32x4_t v[4];
  };
  struct Codes {  // one 64-byte block, or bytes derived from one
    uint8x16_t v[4];
  };

  template <class R, class F>
  TERN_INLINE static R each(F f) {
    return {{f(0), f(1), f(2), f(3)}};
  }

  // --- floats ---
  static Floats zero() { return broadcast(0); }
  static Floats broadcast(float f) {
    return each<Floats>([&](int) { return vdupq_n_f32(f); });
  }
  static Floats fma(const Floats& a, const Floats& b, const Floats& c) {
    return each<Floats>([&](int i) { return vfmaq_f32(c.v[i], a.v[i], b.v[i]); });
  }
  static Floats mul(const Floats& a, const Floats& b) {
    return each<Floats>([&](int i) { return vmulq_f32(a.v[i], b.v[i]); });
  }
  static Floats add(const Floats& a, const Floats& b) {
    return each<Floats>([&](int i) { return vaddq_f32(a.v[i], b.v[i]); });
  }
  static void store(float* p, const Floats& f) {
    for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, f.v[i]);
  }
  static Floats load_f32(const std::byte* p) {
    return each<Floats>([&](int i) { return vld1q_f32(reinterpret_cast<const float*>(p) + 4 * i); });
  }
  static Floats load_f16(const std::byte* p) {
    return each<Floats>([&](int i) { return vcvt_f32_f16(vreinterpret_f16_u16(load_halves(p, i))); });
  }
  static Floats load_bf16(const std::byte* p) {
    return each<Floats>([&](int i) { return vreinterpretq_f32_u32(vshll_n_u16(load_halves(p, i), 16)); });
  }

  // --- integers ---
  static Ints zero_ints() {
    return each<Ints>([](int) { return vdupq_n_s32(0); });
  }
  static Ints add(const Ints& a, const Ints& b) {
    return each<Ints>([&](int i) { return vaddq_s32(a.v[i], b.v[i]); });
  }
  static Ints subtract(const Ints& a, int32_t b) {
    return each<Ints>([&](int i) { return vsubq_s32(a.v[i], vdupq_n_s32(b)); });
  }
  static Floats to_floats(const Ints& a) {
    return each<Floats>([&](int i) { return vcvtq_f32_s32(a.v[i]); });
  }
  static Codes load_codes(const std::byte* p) {
    return each<Codes>([&](int i) { return vld1q_u8(reinterpret_cast<const uint8_t*>(p) + 16 * i); });
  }

  // --- trits: a block has bits 2q of byte j of a row for column 4q + j ---
  template <int q>
  static Codes trit_codes(const Codes& c) {
    return each<Codes>([&](int i) {
      if constexpr (q == 0) return vandq_u8(c.v[i], vdupq_n_u8(3));
      if constexpr (q == 3) return vshrq_n_u8(c.v[i], 6);
      if constexpr (q == 1 || q == 2) return vandq_u8(vshrq_n_u8(c.v[i], 2 * q), vdupq_n_u8(3));
    });
  }
  template <int column>
  static Floats trit_weights(const Codes& c) {
    constexpr int shift = 8 * (column % 4) + 2 * (column / 4);
    return each<Floats>([&](int i) {
      uint32x4_t v = vreinterpretq_u32_u8(c.v[i]);
      if constexpr (shift != 0) v = vshrq_n_u32(v, shift);
      if constexpr (shift != 30) v = vandq_u32(v, vdupq_n_u32(3));
      return vcvtq_f32_s32(vsubq_s32(vreinterpretq_s32_u32(v), vdupq_n_s32(1)));
    });
  }

  // int16 sums of the low and the high eight bytes of each register: two per row.
  struct TritSums {
    int16x8_t low[4], high[4];
  };
  using TritInput = int8x16_t;  // columns 4q .. 4q + 3 for every row
  // A block adds at most 4 * 3 * 127 = 1524 to an int16 (code 3 counted): 21 blocks stay below 2^15.
  static constexpr uint64_t kTritBlocks = 21;
  static TritSums zero_trits() {
    const int16x8_t z = vdupq_n_s16(0);
    return {{z, z, z, z}, {z, z, z, z}};
  }
  template <int q>
  static TritInput load_trit_input(const int8_t* a) {
    return broadcast4(a + 4 * q);
  }
  template <int q>
  static TritSums dot_trits(TritSums s, const Codes& c, TritInput a) {
    for (int i = 0; i < 4; ++i) {
      const int8x16_t codes = vreinterpretq_s8_u8(c.v[i]);
      s.low[i] = vmlal_s8(s.low[i], vget_low_s8(codes), vget_low_s8(a));
      s.high[i] = vmlal_high_s8(s.high[i], codes, a);
    }
    return s;
  }
  static Ints widen_trits(const TritSums& s) {
    return each<Ints>([&](int i) { return vpaddq_s32(vpaddlq_s16(s.low[i]), vpaddlq_s16(s.high[i])); });
  }

  // --- trits by table: vld4 splits a block into its byte columns, rows in order ---
  static constexpr int kTableTiles = 1;
  using Bytes = uint8x16_t;
  struct ByteColumns {
    uint8x16_t column[4];
  };
  struct TableSums {  // int16 of rows 0..7 and 8..15
    uint16x8_t low[2], high[2];
  };
  static Bytes zero_bytes() { return vdupq_n_u8(0); }
  static Bytes add_bytes(Bytes a, Bytes b) { return vaddq_u8(a, b); }
  static Bytes low_nibbles(Bytes a) { return vandq_u8(a, vdupq_n_u8(15)); }
  static Bytes high_nibbles(Bytes a) { return vshrq_n_u8(a, 4); }
  static Bytes load_table(const uint8_t* table) { return vld1q_u8(table); }
  static Bytes look_up(Bytes table, Bytes nibbles) { return vqtbl1q_u8(table, nibbles); }
  static ByteColumns load_columns(const std::byte* const* tiles, uint64_t offset) {
    const uint8x16x4_t c = vld4q_u8(reinterpret_cast<const uint8_t*>(tiles[0] + offset));
    return {{c.val[0], c.val[1], c.val[2], c.val[3]}};
  }
  static TableSums zero_tables() {
    const uint16x8_t z = vdupq_n_u16(0);
    return {{z, z}, {z, z}};
  }
  static void widen_bytes(TableSums& s, Bytes low, Bytes high) {
    s.low[0] = vaddw_u8(s.low[0], vget_low_u8(low));
    s.low[1] = vaddw_high_u8(s.low[1], low);
    s.high[0] = vaddw_u8(s.high[0], vget_low_u8(high));
    s.high[1] = vaddw_high_u8(s.high[1], high);
  }
  static void add_tables(Ints* sums, const TableSums& s) {
    sums[0] = add(sums[0], each<Ints>([&](int i) {
                    const uint16x8_t low = s.low[i / 2], high = s.high[i / 2];
                    const uint32x4_t sum = i % 2 == 0 ? vaddw_u16(vshll_n_u16(vget_low_u16(high), 5), vget_low_u16(low))
                                                      : vaddw_high_u16(vshll_high_n_u16(high, 5), low);
                    return vreinterpretq_s32_u32(sum);
                  }));
  }

  // --- five trits in a byte (trit_packing.h): 9 x is 256 (3 d_0 + d_1) + x_2; a look-up parts the two digits, the next
  // two come from x_2, the last from x_4 by comparing. Digits are signed, so zero needs no offset ---
  static constexpr int32_t kDigitZero = 0, kTopDigitZero = 1;
  static constexpr uint64_t kDigitBlocks = 51;  // a block adds at most 5 * 127 to an int16
  struct FiveDigits {
    Codes x, pair;
  };
  struct DigitTables {};
  static DigitTables digit_tables() { return {}; }
  static FiveDigits begin_digits(const Codes& c, DigitTables) { return {c, c}; }
  template <int place>
  static Codes next_digit(FiveDigits& d) {
    if constexpr (place == 4) {
      return each<Codes>(
          [&](int i) { return vsubq_u8(vcltq_u8(d.x.v[i], vdupq_n_u8(86)), vcgtq_u8(d.x.v[i], vdupq_n_u8(170))); });
    }
    if constexpr (place % 2 == 0 && place < 4) {
      for (int i = 0; i < 4; ++i) {
        const uint8x16_t low = vreinterpretq_u8_u16(vmull_u8(vget_low_u8(d.x.v[i]), vdup_n_u8(9)));
        const uint8x16_t high = vreinterpretq_u8_u16(vmull_high_u8(d.x.v[i], vdupq_n_u8(9)));
        d.pair.v[i] = vuzp2q_u8(low, high);
        d.x.v[i] = vuzp1q_u8(low, high);
      }
    }
    alignas(16) static constexpr int8_t kTrits[2][16] = {{-1, -1, -1, 0, 0, 0, 1, 1, 1},
                                                         {-1, 0, 1, -1, 0, 1, -1, 0, 1}};
    const uint8x16_t trits = vreinterpretq_u8_s8(vld1q_s8(kTrits[place % 2]));
    return each<Codes>([&](int i) { return vqtbl1q_u8(trits, d.pair.v[i]); });
  }
  static Bytes triple(Bytes x) { return vaddq_u8(vaddq_u8(x, x), x); }
  template <int column>
  static Floats digit_weights(const Codes& c) {
    return each<Floats>([&](int i) {
      const int32x4_t v = vreinterpretq_s32_u8(c.v[i]);
      if constexpr (column == 3) return vcvtq_f32_s32(vshrq_n_s32(v, 24));
      if constexpr (column != 3) return vcvtq_f32_s32(vshrq_n_s32(vshlq_n_s32(v, 24 - 8 * column), 24));
    });
  }
  // Of an unsigned byte: floor(3x / 256) in the two top bits.
  static Bytes top_digit(Bytes x) { return vhaddq_u8(x, vshrq_n_u8(x, 1)); }
  static Bytes digit_pair(Bytes high, Bytes low) { return vshrq_n_u8(vsriq_n_u8(high, low, 2), 4); }

  // --- eight bits: byte j of a row is column j of the block; codes become signed, so zero needs no offset ---
  static constexpr int32_t kInt8Zero = 0;
  struct Int8Codes {
    int8x16_t v[4];
  };
  struct Int8Sums {  // int32 pairs of the low and the high eight bytes of each register
    int32x4_t low[4], high[4];
  };
  static Int8Codes split_int8(const Codes& c) {
    return each<Int8Codes>([&](int i) { return vreinterpretq_s8_u8(veorq_u8(c.v[i], vdupq_n_u8(0x80))); });
  }
  static int8x16_t load_int8_input(const int8_t* a) { return broadcast4(a); }
  static Int8Sums zero_int8() {
    const int32x4_t z = vdupq_n_s32(0);
    return {{z, z, z, z}, {z, z, z, z}};
  }
  static Int8Sums dot_int8(Int8Sums s, const Int8Codes& c, int8x16_t a) {
    for (int i = 0; i < 4; ++i) {  // a product is at most 128 * 127 < 2^15
      s.low[i] = vpadalq_s16(s.low[i], vmull_s8(vget_low_s8(c.v[i]), vget_low_s8(a)));
      s.high[i] = vpadalq_s16(s.high[i], vmull_high_s8(c.v[i], a));
    }
    return s;
  }
  static Ints widen_int8(const Int8Sums& s) {
    return each<Ints>([&](int i) { return vpaddq_s32(s.low[i], s.high[i]); });
  }

  // --- four and six bits: codes below 64, signed as they are; two steps of four columns at a time ---
  struct NarrowInput {
    int8x16_t first, second;
  };
  template <int half>
  static Codes nibbles(const Codes& c) {
    return each<Codes>([&](int i) {
      if constexpr (half == 0) return vandq_u8(c.v[i], vdupq_n_u8(15));
      if constexpr (half == 1) return vshrq_n_u8(c.v[i], 4);
    });
  }
  // Bits 2q and 2q + 1 of every byte as bits 4 and 5.
  template <int q>
  static Codes upper_pairs(const Codes& c) {
    return each<Codes>([&](int i) {
      const uint8x16_t mask = vdupq_n_u8(0x30);
      if constexpr (q < 2) return vandq_u8(vshlq_n_u8(c.v[i], 4 - 2 * q), mask);
      if constexpr (q == 2) return vandq_u8(c.v[i], mask);
      if constexpr (q == 3) return vandq_u8(vshrq_n_u8(c.v[i], 2), mask);
    });
  }
  static Codes merge(const Codes& a, const Codes& b) {
    return each<Codes>([&](int i) { return vorrq_u8(a.v[i], b.v[i]); });
  }
  static Int8Codes as_signed(const Codes& c) {
    return each<Int8Codes>([&](int i) { return vreinterpretq_s8_u8(c.v[i]); });
  }
  static NarrowInput load_narrow_input(const int8_t* a) { return {broadcast4(a), broadcast4(a + 4)}; }
  static Int8Sums dot_narrow(Int8Sums s, const Codes& first, const Codes& second, const NarrowInput& a) {
    const Int8Codes c = as_signed(first), d = as_signed(second);
    for (int i = 0; i < 4; ++i) {  // two products are at most 2 * 63 * 127 < 2^15
      const int16x8_t low = vmull_s8(vget_low_s8(c.v[i]), vget_low_s8(a.first));
      const int16x8_t high = vmull_high_s8(c.v[i], a.first);
      s.low[i] = vpadalq_s16(s.low[i], vmlal_s8(low, vget_low_s8(d.v[i]), vget_low_s8(a.second)));
      s.high[i] = vpadalq_s16(s.high[i], vmlal_high_s8(high, d.v[i], a.second));
    }
    return s;
  }

  // The weights of one of four columns, from unsigned codes.
  template <int column, int zero>
  static Floats int_weights(const Codes& c) {
    return each<Floats>([&](int i) {
      const int32x4_t v = vreinterpretq_s32_u8(vsubq_u8(c.v[i], vdupq_n_u8(zero)));
      if constexpr (column == 3) return vcvtq_f32_s32(vshrq_n_s32(v, 24));
      if constexpr (column != 3) return vcvtq_f32_s32(vshrq_n_s32(vshlq_n_s32(v, 24 - 8 * column), 24));
    });
  }

  static constexpr int kTritTiles = 2, kTrit5Tiles = 1, kTritBatchTiles = 1, kTritTokens = 2, kTritChains = 1;
  static constexpr int kInt8Tiles = 2, kInt8BatchTiles = 1, kInt8Tokens = 2, kInt8Chains = 1;
  static constexpr int kFloatTiles = 4, kFloatBatchTiles = 1, kFloatTokens = 4, kCodeTiles = 2;

 private:
  static uint16x4_t load_halves(const std::byte* p, int i) {
    return vld1_u16(reinterpret_cast<const uint16_t*>(p) + 4 * i);
  }
  static int8x16_t broadcast4(const int8_t* a) {
    int32_t four;
    __builtin_memcpy(&four, a, 4);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
  }
};

}  // namespace
}  // namespace tern
