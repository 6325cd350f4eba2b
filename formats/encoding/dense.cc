#include "formats/encoding/dense.h"

#include <cstring>

#include "base/checked.h"
#include "formats/encoding/values.h"

namespace tern {

// Column c starts at value c * 16 for every type: blocks only decide where the padding ends.
void pack_dense_tile(FloatType type, uint64_t rows, uint64_t cols, const float* values, uint64_t row_stride,
                     std::byte* tile) {
  std::memset(tile, 0, ceil_div(cols, dense_block_cols(type)) * kBlockBytes);
  for (uint64_t r = 0; r < rows; ++r) {
    for (uint64_t c = 0; c < cols; ++c) store_float(type, tile, c * kTileRows + r, values[r * row_stride + c]);
  }
}

void unpack_dense_tile(FloatType type, uint64_t rows, uint64_t cols, const std::byte* tile, float* values,
                       uint64_t row_stride) {
  for (uint64_t r = 0; r < rows; ++r)
    unpack_dense_row(type, cols, tile, static_cast<unsigned>(r), values + r * row_stride);
}

void unpack_dense_row(FloatType type, uint64_t cols, const std::byte* tile, unsigned row, float* values) {
  for (uint64_t c = 0; c < cols; ++c) values[c] = load_float(type, tile, c * kTileRows + row);
}

}  // namespace tern
