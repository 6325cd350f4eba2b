// Tables of 16 bytes for the signs of a unit of 32 columns (docs/format.md, "phase"): nibble n of byte j of a word of
// block h has the columns 16n + 4k + 2h + j for its bits k. Entry e of a table is the sum of the columns whose bits are
// set in e, made non-negative by the sum of all negative ones: at most 4 * 127 = 508, kept as two bytes, low + 32 *
// high with low <= 31 and high <= 15. Both planes of a word use one table. Included by files of several ISAs:
// everything here has internal linkage.
#pragma once

#include <cstdint>

#include "kernels/simd/unroll.h"

namespace tern {
namespace {

constexpr uint64_t kNibbleTableBytes = 4 * 16;                // low and high bytes of both halves of the input
constexpr uint64_t kNibbleUnitBytes = 8 * kNibbleTableBytes;  // [h][j][n]

using Shorts16 = int16_t __attribute__((vector_size(32)));
using Bytes16 = uint8_t __attribute__((vector_size(16), aligned(16), may_alias));

// 16 low, then 16 high bytes. Masks instead of products; vectors of the compiler, which knows the ISA of the file.
TERN_INLINE void build_nibble_table(const int8_t* x, uint8_t* table) {
  constexpr int16_t y = -1;
  constexpr Shorts16 kSet[4] = {{0, y, 0, y, 0, y, 0, y, 0, y, 0, y, 0, y, 0, y},
                                {0, 0, y, y, 0, 0, y, y, 0, 0, y, y, 0, 0, y, y},
                                {0, 0, 0, 0, y, y, y, y, 0, 0, 0, 0, y, y, y, y},
                                {0, 0, 0, 0, 0, 0, 0, 0, y, y, y, y, y, y, y, y}};
  int16_t base = 0;
  for (int k = 0; k < 4; ++k) base = static_cast<int16_t>(base + (x[4 * k] < 0 ? -x[4 * k] : 0));
  Shorts16 entries = Shorts16{} + base;
  for (int k = 0; k < 4; ++k) entries += (Shorts16{} + x[4 * k]) & kSet[k];
  *reinterpret_cast<Bytes16*>(table) = __builtin_convertvector(entries & 31, Bytes16);
  *reinterpret_cast<Bytes16*>(table + 16) = __builtin_convertvector(entries >> 5, Bytes16);
}

inline void build_nibble_tables(const int8_t* xr, const int8_t* xi, uint8_t* tables) {
  for (int h = 0; h < 2; ++h) {
    for (int j = 0; j < 2; ++j) {
      for (int n = 0; n < 2; ++n, tables += kNibbleTableBytes) {
        build_nibble_table(xr + 16 * n + 2 * h + j, tables);
        build_nibble_table(xi + 16 * n + 2 * h + j, tables + 32);
      }
    }
  }
}

}  // namespace
}  // namespace tern
