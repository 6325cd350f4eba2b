#include "formats/encoding/int8.h"

#include <algorithm>
#include <cstring>

namespace tern {
namespace {

// Calls body(column, byte of the tile) for the columns of one row.
template <class Body>
void for_each_column(const Layout& layout, uint64_t cols, unsigned row, Body body) {
  for (uint64_t group = 0; group * layout.group_cols < cols; ++group) {
    const uint64_t begin = group * layout.group_cols, end = std::min(cols, begin + layout.group_cols);
    for (uint64_t c = begin; c < end; ++c) {
      const uint64_t block = group * layout.group_blocks + (c - begin) / kInt8BlockCols;
      body(c, block * kBlockBytes + row * 4 + (c - begin) % kInt8BlockCols);
    }
  }
}

}  // namespace

void pack_int8_tile(const Layout& layout, uint64_t rows, uint64_t cols, const int8_t* q, uint64_t row_stride,
                    std::byte* tile) {
  std::memset(tile, kInt8Zero, layout.tile_bytes);
  for (unsigned r = 0; r < rows; ++r) {
    for_each_column(layout, cols, r, [&](uint64_t c, uint64_t byte) {
      tile[byte] = static_cast<std::byte>(q[r * row_stride + c] + kInt8Zero);
    });
  }
}

void unpack_int8_tile(const Layout& layout, uint64_t rows, uint64_t cols, const std::byte* tile, int8_t* q,
                      uint64_t row_stride) {
  for (unsigned r = 0; r < rows; ++r) unpack_int8_row(layout, cols, tile, r, q + r * row_stride);
}

void unpack_int8_row(const Layout& layout, uint64_t cols, const std::byte* tile, unsigned row, int8_t* q) {
  for_each_column(layout, cols, row, [&](uint64_t c, uint64_t byte) {
    q[c] = static_cast<int8_t>(std::to_integer<int>(tile[byte]) - kInt8Zero);
  });
}

}  // namespace tern
