// NEON with dot products (Armv8.2 dotprod): sdot sums four products of signed bytes into the int32 of a row; codes
// 0..3 are signed as they are.
#pragma once

#include "kernels/simd/tile_neon.h"

namespace tern {
namespace {

struct NeonDot : Neon {
  using TritSums = Ints;
  using TritInput = int8x16_t;  // all 16 columns of a block: lane q is what quarter q needs
  static constexpr uint64_t kTritBlocks = 1u << 20, kDigitBlocks = kTritBlocks;  // int32: 3 * 127 * kMaxCols < 2^31
  static TritSums zero_trits() { return zero_ints(); }
  template <int q>
  static TritInput load_trit_input(const int8_t* a) {
    if constexpr (q == 4) return load_int8_input(a + 16);  // the fifth place of a byte
    if constexpr (q != 4) return vld1q_s8(a);
  }
  template <int q>
  static TritSums dot_trits(const TritSums& s, const Codes& c, TritInput a) {
    return each<TritSums>([&](int i) {
      const int8x16_t codes = vreinterpretq_s8_u8(c.v[i]);
      if constexpr (q == 4) return vdotq_s32(s.v[i], codes, a);
      if constexpr (q != 4) return vdotq_laneq_s32(s.v[i], codes, a, q);
    });
  }
  static Ints widen_trits(const TritSums& s) { return s; }

  using Int8Sums = Ints;
  static Int8Sums zero_int8() { return zero_ints(); }
  static Int8Sums dot_int8(const Int8Sums& s, const Int8Codes& c, int8x16_t a) {
    return each<Int8Sums>([&](int i) { return vdotq_s32(s.v[i], c.v[i], a); });
  }
  static Ints widen_int8(const Int8Sums& s) { return s; }

  static int8x8_t load_narrow_input(const int8_t* a) { return vld1_s8(a); }
  static Int8Sums dot_narrow(const Int8Sums& s, const Codes& first, const Codes& second, int8x8_t a) {
    const Int8Codes c = as_signed(first), d = as_signed(second);
    return each<Int8Sums>([&](int i) { return vdotq_lane_s32(vdotq_lane_s32(s.v[i], c.v[i], a, 0), d.v[i], a, 1); });
  }

  // Five trits in a byte without digits (trit_telescoped.h).
  using Neon::triple;
  static Int8Codes triple(const Int8Codes& x) {
    return each<Int8Codes>([&](int i) { return vaddq_s8(vaddq_s8(x.v[i], x.v[i]), x.v[i]); });
  }
  static Ints telescope(const Ints& here, const Ints& next) {
    return each<Ints>([&](int i) {
      const int32x4_t twice = vaddq_s32(here.v[i], here.v[i]);
      return vshrq_n_s32(vsubq_s32(vaddq_s32(twice, here.v[i]), next.v[i]), 8);
    });
  }

  static constexpr int kTritTiles = 4, kTrit5Tiles = 2, kTritBatchTiles = 1, kTritTokens = 4;
  static constexpr int kInt8Tiles = 4, kInt8BatchTiles = 1, kInt8Tokens = 4, kInt8Chains = 1;
};

}  // namespace
}  // namespace tern
