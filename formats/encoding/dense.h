// The encoding "dense": a tiled matrix of f32, f16 or bf16 (docs/format.md, "dense").
// A 64-byte block holds whole columns of one tile of 16 rows: one column of f32, or two columns of
// f16 / bf16 (16 values of the first, then 16 of the second). Order: [tile][block]. Padding: zero.
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/encoding/encoding.h"

namespace tern {

static inline uint32_t dense_block_cols(FloatType type) { return type == FloatType::f32 ? 1 : 2; }

// values[r * row_stride + c], r < rows <= 16, c < cols. Writes the tile_bytes of layout_of, padding included.
void pack_dense_tile(FloatType type, uint64_t rows, uint64_t cols, const float* values, uint64_t row_stride,
                     std::byte* tile);
void unpack_dense_tile(FloatType type, uint64_t rows, uint64_t cols, const std::byte* tile, float* values,
                       uint64_t row_stride);
// Row `row` (0..15) of a tile, cols values.
void unpack_dense_row(FloatType type, uint64_t cols, const std::byte* tile, unsigned row, float* values);

}  // namespace tern
