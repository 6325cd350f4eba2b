// NEON with i8mm (Armv8.6): smmla multiplies two rows of eight signed bytes with two tokens of eight, so a batch takes
// half the instructions of sdot. One token alone is sdot's.
#pragma once

#include "kernels/simd/tile_dotprod.h"

namespace tern {
namespace {

struct NeonI8mm : NeonDot {
  struct RowPairs {  // register i: eight columns of row 2i, then of row 2i + 1
    int8x16_t v[8];
  };
  struct PairSums {  // register i: row 2i with both tokens, then row 2i + 1
    int32x4_t v[8];
  };

  // Two registers of four columns become one of eight.
  static RowPairs join_columns(const Int8Codes& first, const Int8Codes& second) {
    RowPairs pairs;
    for (int i = 0; i < 4; ++i) {
      const int32x4_t a = vreinterpretq_s32_s8(first.v[i]), b = vreinterpretq_s32_s8(second.v[i]);
      pairs.v[2 * i] = vreinterpretq_s8_s32(vzip1q_s32(a, b));
      pairs.v[2 * i + 1] = vreinterpretq_s8_s32(vzip2q_s32(a, b));
    }
    return pairs;
  }
  static int8x16_t load_token_pair(const int8_t* first, const int8_t* second) {
    return vcombine_s8(vld1_s8(first), vld1_s8(second));
  }
  static PairSums zero_pairs() {
    const int32x4_t z = vdupq_n_s32(0);
    return {{z, z, z, z, z, z, z, z}};
  }
  static PairSums dot_pairs(PairSums s, const RowPairs& codes, int8x16_t tokens) {
    for (int i = 0; i < 8; ++i) s.v[i] = vmmlaq_s32(s.v[i], codes.v[i], tokens);
    return s;
  }
  static Ints first_token(const PairSums& s) {
    return each<Ints>([&](int i) { return vuzp1q_s32(s.v[2 * i], s.v[2 * i + 1]); });
  }
  static Ints second_token(const PairSums& s) {
    return each<Ints>([&](int i) { return vuzp2q_s32(s.v[2 * i], s.v[2 * i + 1]); });
  }
};

}  // namespace
}  // namespace tern
