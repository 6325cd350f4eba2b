// Tables of 16 bytes for the signs of a unit of 32 columns (docs/format.md, "phase"): nibble n of byte j of a word of
// block h has the columns 16n + 4k + 2h + j for its bits k. Entry e of a table is the sum of the columns whose bits are
// set in e, made non-negative by the sum of all negative ones: at most 4 * 127 = 508, kept as two bytes, low + 32 *
// high with low <= 31 and high <= 15. Both planes of a word use one table. Included by files of several ISAs:
// everything here has internal linkage.
#pragma once

#include <cstdint>

namespace tern {
namespace {

constexpr uint64_t kNibbleTableBytes = 4 * 16;                // low and high bytes of both halves of the input
constexpr uint64_t kNibbleUnitBytes = 8 * kNibbleTableBytes;  // [h][j][n]

// 16 low, then 16 high bytes. Masks instead of products.
inline void build_nibble_table(const int8_t* x, uint8_t* table) {
  const int16_t a = x[0], b = x[4], c = x[8], d = x[12];
  const auto negative = [](int16_t v) { return static_cast<int16_t>(v < 0 ? -v : 0); };
  const int16_t base = negative(a) + negative(b) + negative(c) + negative(d);
  for (int i = 0; i < 16; ++i) {
    const int16_t b0 = -(i & 1), b1 = -(i >> 1 & 1), b2 = -(i >> 2 & 1), b3 = -(i >> 3 & 1);
    const int16_t entry = base + (a & b0) + (b & b1) + (c & b2) + (d & b3);
    table[i] = static_cast<uint8_t>(entry & 31);
    table[16 + i] = static_cast<uint8_t>(entry >> 5);
  }
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
