// Arrays of f32, f16 or bf16 as they lie in a file (scales, plain tensors, dense tiles), and rows
// of any encoding decoded to f32: what writers, tests and the embedding look-up need.
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/encoding/encoding.h"
#include "formats/encoding/vector.h"

namespace tern {

// Element `index` of an array; any alignment. store rounds to nearest even.
float load_float(FloatType type, const std::byte* array, uint64_t index);
void store_float(FloatType type, std::byte* array, uint64_t index, float value);

// Where the scale of (row, group, plane) stands in the scale array:
//   tensor [plane]; row [tile][plane][16]; group [tile][group][plane][16]
// phase: a row of the tiles; planes are [stage][matrix][real, imaginary], the order is [tile][stage][group][4 or
// 2][16].
uint64_t scale_index(const Encoding& encoding, const Layout& layout, uint64_t row, uint64_t group, unsigned plane);

// Bytes of scales that one tile adds to the file; 0 for scopes none and tensor.
uint64_t tile_scale_bytes(const Encoding& encoding, const Layout& layout);
// Packs the scales of `rows` <= scale_rows rows, values [rows][groups][scale_planes] (row scope: groups = 1; of scope
// tile only those of the first row are read). Rows beyond get zero. Writes tile_scale_bytes (nothing for scopes none
// and tensor).
void pack_tile_scales(const Encoding& encoding, const Layout& layout, uint64_t rows, const float* values,
                      std::byte* out);

// trit2.h or trit5.h, as the encoding says. REQUIRES kind trit.
void pack_trit_tile(const Encoding& encoding, const Layout& layout, uint64_t rows, uint64_t cols, const int8_t* trits,
                    uint64_t row_stride, uint64_t plane_stride, std::byte* tile);
void unpack_trit_row(const Encoding& encoding, const Layout& layout, uint64_t cols, const std::byte* tile, unsigned row,
                     unsigned plane, int8_t* trits);

// Row `row` of the matrix as f32, cols values; layout = layout_of(encoding, rows, cols).
//   int: w = scale * (code - zero); trit: w = fma(scale_p, trit_p, w) over ascending planes from 0; phase: phase.h
//   vector: vector.h, with the codebook
// REQUIRES kind plain, dense, int, trit, phase or vector, and row < rows.
void decode_row(const Encoding& encoding, const Layout& layout, uint64_t cols, const std::byte* codes,
                const std::byte* scales, uint64_t row, float* out, const CodebookView& codebook = {});

}  // namespace tern
