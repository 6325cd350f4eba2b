// How a weight matrix sits in bits: the encodings of the file format (docs/format.md, "Encodings")
// and the exact number of bytes each part takes. The numbers are those stored in the file.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace tern {

enum class EncodingKind : uint16_t {
  plain = 0,   // row-major array of f32, f16 or bf16, untiled: norm weights, biases, vectors
  dense = 1,   // "float" in the format: tiled matrix of f32, f16 or bf16
  int_ = 2,    // unsigned codes of 2..8 bits, w = scale * (code - zero)
  trit = 3,    // planes of {-1, 0, 1}
  sign = 4,    // planes of {-1, 1}                     (described, no kernels yet)
  phase = 5,   // stages of {1, i, -1, -i}, complex matrices U and W in one real matrix
  vector = 6,  // indices into codebooks that are tensors of their own
  index = 7,   // row-major array of u32, untiled: permutations, sparse columns and row starts
};

enum class FloatType : uint8_t { f32 = 1, f16 = 2, bf16 = 3 };
enum class ScaleScope : uint8_t {
  none = 0,
  tensor = 1,
  row = 2,
  group = 3,  // of a row
  tile = 4,   // phase: kScaleTileRows rows of a group share one
};
enum class VectorAxis : uint8_t {
  output = 0,
  input = 1
};  // what a vector runs along: rows of a column, columns of a row

inline constexpr uint32_t kTileRows = 16;       // output rows that one 64-byte block serves
inline constexpr uint32_t kBlockBytes = 64;     // every tile starts and ends on a cache line
inline constexpr uint32_t kScaleTileRows = 64;  // of scope tile
inline constexpr uint64_t kMaxRows = 1ull << 31, kMaxMatrixCols = 1ull << 31;
inline constexpr uint8_t kMaxPlanes = 8;

// Internal linkage and forced inlining below: per-ISA files include this header and must not leave
// an AVX-512 copy of a shared function to the linker.
static inline uint32_t float_bytes(FloatType t) { return t == FloatType::f32 ? 4 : 2; }

struct Encoding {
  EncodingKind kind = EncodingKind::dense;
  FloatType value_type = FloatType::f32;  // plain and dense only
  // int: 4, 6 or 8; trit: 2 (codes of two bits) or 1 (five in a byte); phase: 2 (U and W) or 1 (W); vector: 1..16 of an
  // index
  uint8_t bits = 0;
  uint8_t planes = 1;                   // trit, vector: planes; phase: stages
  ScaleScope scope = ScaleScope::none;  // dense: none
  FloatType scale_type = FloatType::f32;
  // Columns per scale when scope is group or tile (phase: complex columns); vector: per codebook, 0: all; else 0.
  uint32_t group = 0;
  uint8_t length = 0;                    // vector: values of a vector, 2..32
  VectorAxis axis = VectorAxis::output;  // vector

  bool operator==(const Encoding&) const = default;
};

// Scales of a row and group: phase has a real and an imaginary one for every matrix and stage.
static inline uint32_t scale_planes(const Encoding& e) {
  return e.kind == EncodingKind::phase ? 2u * e.bits * e.planes : e.planes;
}

// Scales of columns in groups, `group` wide.
static inline bool has_group_scales(const Encoding& e) {
  return e.scope == ScaleScope::group || e.scope == ScaleScope::tile;
}
// Rows whose scales stand together.
static inline uint32_t scale_rows(const Encoding& e) {
  return e.scope == ScaleScope::tile ? kScaleTileRows : kTileRows;
}

// Sizes of a [rows, cols] matrix in this encoding. All counts fit in 64 bits or the
// encoding is refused. Columns of one group are padded to whole blocks, rows to whole tiles.
// phase: what is tiled and grouped are the rows and columns of one half; a row r of the tiles stands for the rows
// r and r + tiled_rows of the matrix, a column likewise.
// plain and index are untiled: tiles, group_blocks, unit_cols and tile_bytes are 0.
struct Layout {
  uint64_t halves = 1;        // phase: 2
  uint64_t tiled_rows = 0;    // rows / halves
  uint64_t tiles = 0;         // ceil(tiled_rows / tile_rows)
  uint64_t tile_rows = 16;    // of a tile; vector: 16 or 64 lanes of rows
  uint64_t lanes = 0;         // vector: down a column, padded to 8 (vector.h)
  uint64_t groups = 0;        // groups along a row (phase: of a half); 1 unless the encoding has them
  uint64_t group_cols = 0;    // columns per group before padding (the last may hold fewer)
  uint64_t group_blocks = 0;  // 64-byte blocks of one plane (phase: matrix and stage) of one group of one tile;
                              // vector: positions of a group
  uint64_t unit_cols = 0;     // columns that one unit covers: trit 16 or 20, int8 4, int4 8, int6 16, dense f32 1,
                              // phase 32, vector 1 or length
  uint64_t unit_blocks = 1;   // blocks of a unit: int6 3 side by side, phase 2, else 1
  uint64_t tile_bytes = 0;    // groups * planes * group_blocks * 64 (dense: see encoding/dense.h; phase: times bits);
                              // vector: of a full tile
  uint64_t code_bytes = 0;    // tiles * tile_bytes; vector: the last tile may have fewer
  // Scales stand by scale_rows rows of the tiles, of vectors too. s = scale_planes
  uint64_t tile_scales = 0;  // of as many: s * 16 (row), groups * s * 16 (group), groups * s (tile), else 0
  uint64_t scale_count = 0;  // 0, s (tensor), or ceil(tiled_rows / scale_rows) * tile_scales
  uint64_t scale_bytes = 0;
  // Activations are stored group by group (phase: those of the first half, then of the second) with this many columns
  // each, padding zero.
  [[gnu::always_inline]] uint64_t padded_group_cols() const { return group_blocks / unit_blocks * unit_cols; }
  [[gnu::always_inline]] uint64_t input_groups() const { return halves * groups; }
  [[gnu::always_inline]] uint64_t padded_cols() const { return input_groups() * padded_group_cols(); }
};

// Fails with invalid_argument or unsupported, naming the field that breaks a rule.
Result<Layout> layout_of(const Encoding& encoding, uint64_t rows, uint64_t cols);

// True bits per weight of the matrix, codes and scales and padding included; a codebook is a tensor of its own.
double bits_per_weight(const Layout& layout, uint64_t rows, uint64_t cols);

std::string describe(
    const Encoding& encoding);  // "trit 2-bit, 2 planes, f16 scale per 128"; five in a byte: "trit 1.6-bit"

}  // namespace tern
