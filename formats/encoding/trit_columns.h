// What the two packings of trits share: order [tile][group][plane][block], a block 16 rows x 4 bytes, and in a block
// byte j of a row at place p for column 4p + j (docs/format.md). They differ in the places that a byte has.
#pragma once

#include <algorithm>
#include <cstdint>

#include "formats/encoding/encoding.h"

namespace tern {

// Calls body(column, byte of the tile, place in the byte) for the columns of one row of one plane.
template <class Body>
void for_each_trit(const Layout& layout, unsigned planes, uint64_t cols, unsigned row, unsigned plane, Body body) {
  for (uint64_t group = 0; group * layout.group_cols < cols; ++group) {
    const uint64_t begin = group * layout.group_cols, end = std::min(cols, begin + layout.group_cols);
    for (uint64_t c = begin; c < end; ++c) {
      const uint64_t block = (group * planes + plane) * layout.group_blocks + (c - begin) / layout.unit_cols;
      const unsigned in_block = static_cast<unsigned>((c - begin) % layout.unit_cols);
      body(c, block * kBlockBytes + row * 4 + in_block % 4, in_block / 4);
    }
  }
}

// Calls body(byte of the tile, place, trit) for all trits of a tile: trits[p * plane_stride + r * row_stride + c].
template <class Body>
void for_each_trit_of_tile(const Layout& layout, unsigned planes, uint64_t rows, uint64_t cols, const int8_t* trits,
                           uint64_t row_stride, uint64_t plane_stride, Body body) {
  for (unsigned p = 0; p < planes; ++p) {
    for (unsigned r = 0; r < rows; ++r) {
      const int8_t* row = trits + p * plane_stride + r * row_stride;
      for_each_trit(layout, planes, cols, r, p,
                    [&](uint64_t c, uint64_t byte, unsigned place) { body(byte, place, row[c]); });
    }
  }
}

}  // namespace tern
