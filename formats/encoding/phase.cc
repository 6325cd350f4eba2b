#include "formats/encoding/phase.h"

#include <cstring>

#include "formats/encoding/values.h"

namespace tern {
namespace {

constexpr bool e1(unsigned code) { return code == 0 || code == 3; }
constexpr bool e2(unsigned code) { return code < 2; }
constexpr uint8_t code_of(bool e1, bool e2) { return e2 ? (e1 ? 0 : 1) : (e1 ? 3 : 2); }

// Calls body(column, byte of the tile with the sign e1, bit) for the columns of one row of a plane; e2 stands
// 2 * kPhaseWords bytes on.
template <class Body>
void for_each_column(const Encoding& e, const Layout& layout, unsigned row, unsigned p, Body body) {
  const uint64_t stage = p / e.bits * phase_stage_bytes(e, layout), matrix = p % e.bits * kBlockBytes;
  for (uint64_t group = 0; group < layout.groups; ++group) {
    for (uint64_t c = 0; c < layout.group_cols; ++c) {
      const uint64_t in_unit = c % kPhaseUnitCols;
      const uint64_t block = group * layout.group_blocks + c / kPhaseUnitCols * kPhaseUnitBlocks + in_unit % 4 / 2;
      const uint64_t word = stage + block * e.bits * kBlockBytes + matrix + 2 * row;
      body(group * layout.group_cols + c, word + in_unit % 2, in_unit / 4);
    }
  }
}

}  // namespace

void pack_phase_tile(const Encoding& e, const Layout& layout, uint64_t rows, const uint8_t* codes, uint64_t row_stride,
                     uint64_t plane_stride, std::byte* tile) {
  std::memset(tile, 0, layout.tile_bytes);
  for (unsigned p = 0; p < e.planes * e.bits; ++p) {
    for (unsigned r = 0; r < rows; ++r) {
      const uint8_t* row = codes + p * plane_stride + r * row_stride;
      for_each_column(e, layout, r, p, [&](uint64_t c, uint64_t byte, uint64_t bit) {
        if (e1(row[c])) tile[byte] |= std::byte{1} << bit;
        if (e2(row[c])) tile[byte + 2 * kPhaseWords] |= std::byte{1} << bit;
      });
    }
  }
}

void unpack_phase_row(const Encoding& e, const Layout& layout, const std::byte* tile, unsigned row, unsigned p,
                      uint8_t* codes) {
  for_each_column(e, layout, row, p, [&](uint64_t c, uint64_t byte, uint64_t bit) {
    const auto set = [&](uint64_t at) { return (tile[at] >> bit & std::byte{1}) != std::byte{0}; };
    codes[c] = code_of(set(byte), set(byte + 2 * kPhaseWords));
  });
}

void decode_phase_row(const Encoding& e, const Layout& layout, const std::byte* codes, const std::byte* scales,
                      uint64_t row, float* out) {
  const uint64_t half = layout.groups * layout.group_cols, r = row % layout.tiled_rows;
  const bool imaginary = row >= layout.tiled_rows;  // the row gives an imaginary part
  const std::byte* tile = codes + r / kTileRows * layout.tile_bytes;
  std::memset(out, 0, 2 * half * sizeof(float));
  for (unsigned p = 0; p < e.planes * e.bits; ++p) {
    const bool conjugates = p % e.bits + 1 == e.bits;  // W
    for_each_column(e, layout, static_cast<unsigned>(r % kTileRows), p, [&](uint64_t c, uint64_t byte, uint64_t bit) {
      const auto set = [&](uint64_t at) { return (tile[at] >> bit & std::byte{1}) != std::byte{0}; };
      const unsigned code = code_of(set(byte), set(byte + 2 * kPhaseWords)), turned = code % 2;
      const uint64_t group = c / layout.group_cols;
      const float scale = load_float(e.scale_type, scales, scale_index(e, layout, r, group, 2 * p + turned));
      // Real elements map real parts to real ones, imaginary elements to imaginary ones; i * i = -1, and W sees -i.
      const bool from_second = turned != imaginary;
      const bool negative = (code >= 2) != (from_second && conjugates == imaginary);
      float& w = out[from_second ? half + c : c];
      w += negative ? -scale : scale;
    });
  }
}

}  // namespace tern
