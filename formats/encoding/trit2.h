// The encoding "trit" with 2 bits: planes of {-1, 0, 1}, code = trit + 1 (docs/format.md, "trit").
// A 64-byte block is 16 rows x 4 bytes x 4 codes: byte 4r + j, bits 2p..2p+1, is row r, column
// 16b + 4p + j of the group. Order: [tile][group][plane][block]. Padding: code 1 (zero).
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/encoding/encoding.h"

namespace tern {

inline constexpr uint8_t kTrit2Bits = 2;
inline constexpr uint32_t kTrit2BlockCols = 16;
inline constexpr uint8_t kTrit2ZeroByte = 0x55;  // four codes of weight zero

// trits[p * plane_stride + r * row_stride + c] in -1..1, p < planes, r < rows <= 16, c < cols.
// Writes layout.tile_bytes, padding included.
void pack_trit2_tile(const Layout& layout, unsigned planes, uint64_t rows, uint64_t cols, const int8_t* trits,
                     uint64_t row_stride, uint64_t plane_stride, std::byte* tile);
void unpack_trit2_tile(const Layout& layout, unsigned planes, uint64_t rows, uint64_t cols, const std::byte* tile,
                       int8_t* trits, uint64_t row_stride, uint64_t plane_stride);
// Row `row` (0..15) of one plane of a tile, cols values without scale. Code 3, which no writer makes, gives 2.
void unpack_trit2_row(const Layout& layout, unsigned planes, uint64_t cols, const std::byte* tile, unsigned row,
                      unsigned plane, int8_t* trits);

}  // namespace tern
