#include "formats/encoding/int.h"

#include <algorithm>
#include <cstring>

namespace tern {
namespace {

// The codes of one row in the blocks of a group. Byte is std::byte or const std::byte.
template <uint8_t bits, class Byte>
class GroupRow {
 public:
  GroupRow(Byte* blocks, unsigned row) : row_(blocks + 4 * row) {}

  unsigned get(uint64_t column) const {
    const uint64_t k = column % kUnit.cols;
    Byte* unit = row_ + column / kUnit.cols * kUnit.blocks * kBlockBytes;
    if constexpr (bits == 8) return std::to_integer<unsigned>(unit[k]);
    const unsigned low = std::to_integer<unsigned>(nibble_byte(unit, k)) >> nibble_shift(k) & 15;
    if constexpr (bits == 4) return low;
    return low | (std::to_integer<unsigned>(unit[2 * kBlockBytes + k % 4]) >> pair_shift(k) & 3) << 4;
  }

  void set(uint64_t column, unsigned code) {
    const uint64_t k = column % kUnit.cols;
    Byte* unit = row_ + column / kUnit.cols * kUnit.blocks * kBlockBytes;
    if constexpr (bits == 8) {
      unit[k] = static_cast<std::byte>(code);
    } else {
      replace(nibble_byte(unit, k), nibble_shift(k), 15, code & 15);
      if constexpr (bits == 6) replace(unit[2 * kBlockBytes + k % 4], pair_shift(k), 3, code >> 4);
    }
  }

 private:
  static constexpr IntUnit kUnit = int_unit(bits);

  static Byte& nibble_byte(Byte* unit, uint64_t k) { return unit[k / 8 * kBlockBytes + k % 4]; }
  static unsigned nibble_shift(uint64_t k) { return k % 8 < 4 ? 0 : 4; }
  static unsigned pair_shift(uint64_t k) { return 2 * static_cast<unsigned>(k / 4); }
  static void replace(std::byte& byte, unsigned shift, unsigned mask, unsigned value) {
    const unsigned others = std::to_integer<unsigned>(byte) & ~(mask << shift);
    byte = static_cast<std::byte>(others | value << shift);
  }

  Byte* row_;
};

// Calls body(first column, columns, blocks of the group) for the groups of a tile.
template <class Byte, class Body>
void for_each_group(const Layout& layout, uint64_t cols, Byte* tile, Body body) {
  for (uint64_t group = 0; group * layout.group_cols < cols; ++group) {
    const uint64_t begin = group * layout.group_cols;
    body(begin, std::min(cols - begin, layout.group_cols), tile + group * layout.group_blocks * kBlockBytes);
  }
}

template <uint8_t bits>
void fill_with_zero_codes(const Layout& layout, std::byte* tile) {
  std::memset(tile, bits == 4 ? 0x88 : bits == 6 ? 0 : 0x80, layout.tile_bytes);
  if constexpr (bits == 6) {
    for (uint64_t at = 2 * kBlockBytes; at < layout.tile_bytes; at += 3 * kBlockBytes)
      std::memset(tile + at, 0xaa, kBlockBytes);
  }
}

template <uint8_t bits>
void pack_tile(const Layout& layout, uint64_t rows, uint64_t cols, const int8_t* q, uint64_t row_stride,
               std::byte* tile) {
  fill_with_zero_codes<bits>(layout, tile);
  for_each_group(layout, cols, tile, [&](uint64_t begin, uint64_t count, std::byte* blocks) {
    for (unsigned r = 0; r < rows; ++r) {
      GroupRow<bits, std::byte> row(blocks, r);
      const int8_t* from = q + r * row_stride + begin;
      for (uint64_t c = 0; c < count; ++c) row.set(c, static_cast<unsigned>(from[c] + int_zero(bits)));
    }
  });
}

template <uint8_t bits>
void unpack_row(const Layout& layout, uint64_t cols, const std::byte* tile, unsigned row, int8_t* q) {
  for_each_group(layout, cols, tile, [&](uint64_t begin, uint64_t count, const std::byte* blocks) {
    const GroupRow<bits, const std::byte> codes(blocks, row);
    for (uint64_t c = 0; c < count; ++c)
      q[begin + c] = static_cast<int8_t>(static_cast<int>(codes.get(c)) - int_zero(bits));
  });
}

}  // namespace

void pack_int_tile(uint8_t bits, const Layout& layout, uint64_t rows, uint64_t cols, const int8_t* q,
                   uint64_t row_stride, std::byte* tile) {
  if (bits == 4) return pack_tile<4>(layout, rows, cols, q, row_stride, tile);
  if (bits == 6) return pack_tile<6>(layout, rows, cols, q, row_stride, tile);
  return pack_tile<8>(layout, rows, cols, q, row_stride, tile);
}

void unpack_int_tile(uint8_t bits, const Layout& layout, uint64_t rows, uint64_t cols, const std::byte* tile, int8_t* q,
                     uint64_t row_stride) {
  for (unsigned r = 0; r < rows; ++r) unpack_int_row(bits, layout, cols, tile, r, q + r * row_stride);
}

void unpack_int_row(uint8_t bits, const Layout& layout, uint64_t cols, const std::byte* tile, unsigned row, int8_t* q) {
  if (bits == 4) return unpack_row<4>(layout, cols, tile, row, q);
  if (bits == 6) return unpack_row<6>(layout, cols, tile, row, q);
  return unpack_row<8>(layout, cols, tile, row, q);
}

unsigned int_code(uint8_t bits, const std::byte* blocks, unsigned row, uint64_t column) {
  if (bits == 4) return GroupRow<4, const std::byte>(blocks, row).get(column);
  if (bits == 6) return GroupRow<6, const std::byte>(blocks, row).get(column);
  return GroupRow<8, const std::byte>(blocks, row).get(column);
}

}  // namespace tern
