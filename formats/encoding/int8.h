// The encoding "int" with 8 bits: weight = scale * (code - 128), code unsigned (docs/format.md, "int").
// A 64-byte block is 16 rows x 4 columns: byte 4r + j is row r, column 4b + j of the group.
// Order: [tile][group][block]. Padding in columns and rows: code 128 (zero).
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/encoding/encoding.h"

namespace tern {

inline constexpr uint8_t kInt8Bits = 8;
inline constexpr uint32_t kInt8BlockCols = 4;
inline constexpr uint8_t kInt8Zero = 128;  // the code of weight zero

// q[r * row_stride + c] in -128..127, r < rows <= 16, c < cols. Writes layout.tile_bytes, padding included.
void pack_int8_tile(const Layout& layout, uint64_t rows, uint64_t cols, const int8_t* q, uint64_t row_stride,
                    std::byte* tile);
void unpack_int8_tile(const Layout& layout, uint64_t rows, uint64_t cols, const std::byte* tile, int8_t* q,
                      uint64_t row_stride);
// Row `row` (0..15) of a tile, cols values without scale.
void unpack_int8_row(const Layout& layout, uint64_t cols, const std::byte* tile, unsigned row, int8_t* q);

}  // namespace tern
