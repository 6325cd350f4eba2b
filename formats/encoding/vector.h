// The encoding "vector": a matrix cut into vectors of `length` values, each an index into a codebook (docs/format.md,
// "vector"; VPTQ, arXiv 2409.17066; AQLM, arXiv 2401.06118; QuIP#, arXiv 2402.04396).
//   output axis: a vector is `length` rows of one column; lanes are such bands of rows, positions the columns
//   input axis:  a vector is `length` columns of one row; lanes are the rows, positions the runs of columns
// A tile is up to 16 (output) or 64 (input) lanes; the last one holds what is left, padded to a multiple of 8. Order:
// [tile][plane][position], each position a record: the indices of the tile's lanes at that position, cut into fields of
// 16, 8, 4, 2 and 1 bits as the width's binary digits say (12 bits: a field of 8 with the low bits, then one of 4).
// A field of w < 8 bits has lane l in byte l % s from bit w * (l / s) on, s = lanes * w / 8. Padding: index 0, zeros.
// Every index is safe: a codebook has 2^bits entries per plane and column group.
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/encoding/encoding.h"

namespace tern {

inline constexpr uint8_t kMinVectorLength = 2, kMaxVectorLength = 32;
inline constexpr uint8_t kMaxIndexBits = 16;
inline constexpr uint32_t kOutputLanes = 16, kInputLanes = 64, kLaneStep = 8;

// A codebook tensor bound to memory, entries in the order [column group][plane][index]: a plain array of `length`
// values an entry, or an int matrix of 8 bits, whose one scale multiplies them. Of that an entry is a row of `length`
// columns along the input axis, and along the output axis ceil(length / 4) rows of 4, bytes side by side.
struct CodebookView {
  const std::byte* values = nullptr;  // 64-byte aligned
  FloatType type = FloatType::f16;    // of a plain array
  bool integer = false;
  float scale = 1;  // 1 for a plain array
};

static inline uint32_t vector_tile_lanes(const Encoding& e) {
  return e.axis == VectorAxis::output ? kOutputLanes : kInputLanes;
}
static inline uint64_t vector_positions(const Encoding& e, uint64_t cols) {
  return e.axis == VectorAxis::output ? cols : (cols + e.length - 1) / e.length;
}
// Lanes of a tile, padding included.
static inline uint64_t vector_lanes(const Encoding& e, const Layout& layout, uint64_t tile) {
  const uint64_t full = vector_tile_lanes(e), left = layout.lanes - tile * full;
  return left < full ? left : full;
}
static inline uint64_t vector_record_bytes(const Encoding& e, uint64_t lanes) { return lanes * e.bits / 8; }
// Where a record starts in the codes.
static inline uint64_t vector_record(const Encoding& e, const Layout& layout, uint64_t cols, uint64_t tile,
                                     uint64_t plane, uint64_t position) {
  return tile * layout.tile_bytes +
         (plane * vector_positions(e, cols) + position) * vector_record_bytes(e, vector_lanes(e, layout, tile));
}
// The codebook that serves a position: entry 0 of its plane and column group.
static inline uint64_t vector_book(const Encoding& e, uint64_t position, uint64_t plane) {
  const uint64_t column = e.axis == VectorAxis::output ? position : position * e.length;
  const uint64_t group = e.group == 0 ? 0 : column / e.group;
  return (group * e.planes + plane) << e.bits;
}

// Where an int codebook has the code of value i of an entry.
static inline uint64_t codebook_byte(const Encoding& e, uint64_t entry, uint64_t i) {
  const uint64_t fours = (e.length + 3u) / 4, block = entry / kTileRows * fours + i / 4;
  if (e.axis == VectorAxis::output) return entry * fours * 4 + i;
  return block * kBlockBytes + entry % kTileRows * 4 + i % 4;
}

// The functions below: REQUIRES layout = layout_of(e, rows, cols) of a vector encoding.

// indices[p * plane_stride + l * lane_stride + position], l below `lanes`, the real lanes of tile `tile`; each below
// 2^bits. Writes vector_tile_bytes, padding included.
void pack_vector_tile(const Encoding& e, const Layout& layout, uint64_t cols, uint64_t tile, uint64_t lanes,
                      const uint16_t* indices, uint64_t lane_stride, uint64_t plane_stride, std::byte* to);
uint64_t vector_tile_bytes(const Encoding& e, const Layout& layout, uint64_t cols, uint64_t tile);
// Index of a lane counted from the matrix's first, padding included.
uint16_t vector_index(const Encoding& e, const Layout& layout, uint64_t cols, const std::byte* codes, uint64_t plane,
                      uint64_t lane, uint64_t position);
// Value i of an entry, without the codebook's scale.
float codebook_value(const Encoding& e, const CodebookView& book, uint64_t entry, uint32_t i);
// Entries of the codebook tensor that a matrix of `cols` columns needs: groups * planes * 2^bits.
uint64_t codebook_entries(const Encoding& e, uint64_t cols);
// Columns of that tensor, and rows for each entry.
uint32_t codebook_cols(const Encoding& e, bool integer);
uint32_t codebook_rows_each(const Encoding& e, bool integer);

// Row `row` as f32: w = fma(scale_p * codebook scale, value_p, w) over ascending planes from 0; no scales: 1.
void decode_vector_row(const Encoding& e, const Layout& layout, uint64_t cols, const std::byte* codes,
                       const std::byte* scales, const CodebookView& book, uint64_t row, float* out);

}  // namespace tern
