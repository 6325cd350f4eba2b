#include "formats/encoding/trit2.h"

#include <algorithm>
#include <cstring>

namespace tern {
namespace {

// Calls body(column, byte of the tile, shift of the code in the byte) for the columns of one row of one plane.
template <class Body>
void for_each_column(const Layout& layout, unsigned planes, uint64_t cols, unsigned row, unsigned plane, Body body) {
  for (uint64_t group = 0; group * layout.group_cols < cols; ++group) {
    const uint64_t begin = group * layout.group_cols, end = std::min(cols, begin + layout.group_cols);
    for (uint64_t c = begin; c < end; ++c) {
      const uint64_t block = (group * planes + plane) * layout.group_blocks + (c - begin) / kTrit2BlockCols;
      const unsigned in_block = static_cast<unsigned>((c - begin) % kTrit2BlockCols);
      body(c, block * kBlockBytes + row * 4 + in_block % 4, 2 * (in_block / 4));
    }
  }
}

}  // namespace

void pack_trit2_tile(const Layout& layout, unsigned planes, uint64_t rows, uint64_t cols, const int8_t* trits,
                     uint64_t row_stride, uint64_t plane_stride, std::byte* tile) {
  std::memset(tile, kTrit2ZeroByte, layout.tile_bytes);
  for (unsigned p = 0; p < planes; ++p) {
    for (unsigned r = 0; r < rows; ++r) {
      const int8_t* row = trits + p * plane_stride + r * row_stride;
      for_each_column(layout, planes, cols, r, p, [&](uint64_t c, uint64_t byte, unsigned shift) {
        // The byte holds code 1 there: adding the trit cannot carry.
        const unsigned code_one = std::to_integer<unsigned>(tile[byte]);
        tile[byte] = static_cast<std::byte>(code_one + static_cast<unsigned>(row[c]) * (1u << shift));
      });
    }
  }
}

void unpack_trit2_tile(const Layout& layout, unsigned planes, uint64_t rows, uint64_t cols, const std::byte* tile,
                       int8_t* trits, uint64_t row_stride, uint64_t plane_stride) {
  for (unsigned p = 0; p < planes; ++p) {
    for (unsigned r = 0; r < rows; ++r) {
      unpack_trit2_row(layout, planes, cols, tile, r, p, trits + p * plane_stride + r * row_stride);
    }
  }
}

void unpack_trit2_row(const Layout& layout, unsigned planes, uint64_t cols, const std::byte* tile, unsigned row,
                      unsigned plane, int8_t* trits) {
  for_each_column(layout, planes, cols, row, plane, [&](uint64_t c, uint64_t byte, unsigned shift) {
    trits[c] = static_cast<int8_t>((std::to_integer<unsigned>(tile[byte]) >> shift & 3) - 1);
  });
}

}  // namespace tern
