// The encoding "phase" (docs/format.md, "phase"): a real matrix A of [2n, 2m] as complex matrices with elements
// 1, i, -1, -i and real scales. With x and y in contiguous halves as real and imaginary parts,
//   y = A x = U x + W conj(x)       U = sum over stages t of s_re[t] Re(C[t]) + i s_im[t] Im(C[t]), W likewise
// (Fairy2i, arXiv 2512.02901; bits = 2). Without U (bits = 1) y = W conj(x), the layer of iFairy (arXiv 2508.05571).
//
// An element is stored as the signs of (1 + i) times it: e1 = Re - Im, e2 = Re + Im, a set bit for +1. A 64-byte block
// is 16 rows of complex elements x 16 columns: 16 words of 16 bits with e1, then 16 with e2. Two blocks are a unit of
// 32 columns: bit k of byte j of a word of block h stands for column 4k + 2h + j. Order: [tile][stage][group][block][U,
// W]. Padding: bits 0.
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/encoding/encoding.h"

namespace tern {

inline constexpr uint8_t kMaxPhaseStages = 4;
inline constexpr uint32_t kPhaseUnitCols = 32, kPhaseUnitBlocks = 2;  // complex columns
inline constexpr uint32_t kPhaseWords = 16;                           // of a block, for each of e1 and e2

// Bytes of the codes of one stage of a tile. A tile's stages stand one after the other, so the first of them are a
// part.
static inline uint64_t phase_stage_bytes(const Encoding& e, const Layout& layout) {
  return layout.groups * layout.group_blocks * e.bits * kBlockBytes;
}

// A code k in 0..3 is the element i^k. Codes come in planes p = stage * bits + matrix; of two matrices the first is U.

// codes[p * plane_stride + r * row_stride + c], r < rows <= 16 complex rows, c < layout.groups * layout.group_cols
// complex columns. Writes layout.tile_bytes, padding included.
void pack_phase_tile(const Encoding& encoding, const Layout& layout, uint64_t rows, const uint8_t* codes,
                     uint64_t row_stride, uint64_t plane_stride, std::byte* tile);
// Complex row `row` (0..15) of plane p of a tile.
void unpack_phase_row(const Encoding& encoding, const Layout& layout, const std::byte* tile, unsigned row, unsigned p,
                      uint8_t* codes);

// Row `row` of the real matrix, 2m values: w = w +- scale over ascending stages, in each U, then W, from 0.
void decode_phase_row(const Encoding& encoding, const Layout& layout, const std::byte* codes, const std::byte* scales,
                      uint64_t row, float* out);

}  // namespace tern
