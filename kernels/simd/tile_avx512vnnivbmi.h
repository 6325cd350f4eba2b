// AVX-512 with VNNI and VBMI, one token: the five digits of a byte are looked up, not counted. Beside the sums of a
// batch the tables do not fit the registers.
#pragma once

#include "kernels/simd/select256_avx512vbmi.h"
#include "kernels/simd/tile_avx512vnni.h"

namespace tern {
namespace {

// Of each byte: digits 0..3 as a byte of four trits has them (two bits each, the first lowest), and digit 4.
struct FiveDigitTables {
  alignas(64) uint8_t four[256] = {}, fifth[256] = {};

  constexpr FiveDigitTables() {
    for (int byte = 0; byte < 256; ++byte) {
      int x = byte;
      for (int place = 0; place < 4; ++place, x = 3 * x % 256)
        four[byte] = static_cast<uint8_t>(four[byte] | 3 * x / 256 << 2 * place);
      fifth[byte] = static_cast<uint8_t>(3 * x / 256);
    }
  }
};

struct Avx512VnniVbmi : Avx512Vnni {
  struct FiveDigits {
    __m512i four, fifth;
  };
  struct DigitTables {
    Table256 four, fifth;
  };
  TERN_INLINE static DigitTables digit_tables() {
    static constexpr FiveDigitTables kTables;
    return {keep_table256(kTables.four), keep_table256(kTables.fifth)};
  }
  TERN_INLINE static FiveDigits begin_digits(Codes c, const DigitTables& t) {
    const Index256 index = index256(c);
    return {select256(t.four, index), select256(t.fifth, index)};
  }
  template <int place>
  static Codes digit_in_place(const FiveDigits& x) {
    if constexpr (place == 4) return x.fifth;
    return trit_codes_in_place<place % 4>(x.four);
  }
};

}  // namespace
}  // namespace tern
