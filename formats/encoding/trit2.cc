#include "formats/encoding/trit2.h"

#include <cstring>

#include "formats/encoding/trit_columns.h"

namespace tern {

void pack_trit2_tile(const Layout& layout, unsigned planes, uint64_t rows, uint64_t cols, const int8_t* trits,
                     uint64_t row_stride, uint64_t plane_stride, std::byte* tile) {
  std::memset(tile, kTrit2ZeroByte, layout.tile_bytes);
  for_each_trit_of_tile(
      layout, planes, rows, cols, trits, row_stride, plane_stride, [&](uint64_t byte, unsigned place, int8_t trit) {
        // The byte holds code 1 there: adding the trit cannot carry.
        const unsigned code_one = std::to_integer<unsigned>(tile[byte]);
        tile[byte] = static_cast<std::byte>(code_one + static_cast<unsigned>(trit) * (1u << 2 * place));
      });
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
  for_each_trit(layout, planes, cols, row, plane, [&](uint64_t c, uint64_t byte, unsigned place) {
    trits[c] = static_cast<int8_t>((std::to_integer<unsigned>(tile[byte]) >> 2 * place & 3) - 1);
  });
}

}  // namespace tern
