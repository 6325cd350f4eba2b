// The encoding "int": weight = scale * (code - zero), code unsigned, of 4, 6 or 8 bits, zero half their range
// (docs/format.md, "int"). Bytes 4r..4r+3 of a 64-byte block are row r of the tile; k counts columns of a unit.
//   8 bits: unit of one block, 4 columns: byte k
//   4 bits: unit of one block, 8 columns: byte k % 4, low nibble for k < 4, else high
//   6 bits: unit of three blocks, 16 columns: their low four bits in two blocks as with 4 bits, columns 8..15 in the
//           second; their high two bits in the third, byte k % 4, bits 2 (k / 4) and up
// Order: [tile][group][unit]. Padding in columns and rows: the code of zero.
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/encoding/encoding.h"

namespace tern {

struct IntUnit {
  uint32_t cols = 0, blocks = 0;  // 0: no layout for such codes
};

constexpr IntUnit int_unit(uint8_t bits) {
  if (bits == 4) return {8, 1};
  if (bits == 6) return {16, 3};
  return bits == 8 ? IntUnit{4, 1} : IntUnit{};
}
constexpr int int_zero(uint8_t bits) { return 1 << (bits - 1); }  // the code of weight zero

// The functions below: REQUIRES a layout of an int encoding with these bits.

// q[r * row_stride + c] in -zero..zero - 1, r < rows <= 16, c < cols. Writes layout.tile_bytes, padding included.
void pack_int_tile(uint8_t bits, const Layout& layout, uint64_t rows, uint64_t cols, const int8_t* q,
                   uint64_t row_stride, std::byte* tile);
void unpack_int_tile(uint8_t bits, const Layout& layout, uint64_t rows, uint64_t cols, const std::byte* tile, int8_t* q,
                     uint64_t row_stride);
// Row `row` (0..15) of a tile, cols values without scale.
void unpack_int_row(uint8_t bits, const Layout& layout, uint64_t cols, const std::byte* tile, unsigned row, int8_t* q);

// The code of a row and a column of one group, padding included; `blocks` are those of the group.
unsigned int_code(uint8_t bits, const std::byte* blocks, unsigned row, uint64_t column);

}  // namespace tern
