// One of the 256 bytes in four registers for each byte of an index. A byte permute (VBMI) chooses among the 128 of two
// registers; with a mask it leaves the other bytes of the index as they are, for a second permute to replace.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/simd/unroll.h"

namespace tern {
namespace {

struct Table256 {
  __m512i part[4];
};
TERN_INLINE Table256 load_table256(const uint8_t* bytes) {
  Table256 t;
  unroll<4>([&](auto i) TERN_LAMBDA { t.part[i] = _mm512_loadu_si512(bytes + 64 * i()); });
  return t;
}
// Of constants, and of tables for several look-ups: GCC would load them anew at every use.
TERN_INLINE Table256 keep_table256(const uint8_t* bytes) {
  Table256 t = load_table256(bytes);
  unroll<4>([&](auto i) TERN_LAMBDA {
    __m512i& part = t.part[i];  // Clang does not capture what asm alone names
    asm("" : "+v"(part));
  });
  return t;
}

struct Index256 {
  __m512i byte;
  __mmask64 lower, upper;  // below 128, and not
};

TERN_INLINE Index256 index256(__m512i byte) {
  const __mmask64 upper = _mm512_movepi8_mask(byte);
  return {byte, ~upper, upper};
}

TERN_INLINE __m512i select256(const Table256& t, const Index256& i) {
  const __m512i some = _mm512_mask2_permutex2var_epi8(t.part[0], i.byte, i.lower, t.part[1]);
  return _mm512_mask2_permutex2var_epi8(t.part[2], some, i.upper, t.part[3]);
}

}  // namespace
}  // namespace tern
