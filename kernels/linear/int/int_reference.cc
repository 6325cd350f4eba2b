// Integers of 4, 6 and 8 bits, scalar: code c stands for c - 2^(bits - 1).
#include "kernels/linear/kernels.h"
#include "kernels/linear/reference.h"

namespace tern {
namespace {

int32_t int4_code(const uint8_t* blocks, uint64_t row, uint64_t column) {
  const uint8_t byte = blocks[column / 8 * kBlockBytes + 4 * row + column % 4];
  return column % 8 < 4 ? byte & 15 : byte >> 4;
}

// A unit is two blocks of nibbles, which hold 8 columns each, and one of bit pairs.
int32_t int6_code(const uint8_t* blocks, uint64_t row, uint64_t column) {
  const uint8_t* unit = blocks + column / 16 * 3 * kBlockBytes;
  const uint64_t k = column % 16;
  return int4_code(unit, row, k) | (unit[2 * kBlockBytes + 4 * row + k % 4] >> 2 * (k / 4) & 3) << 4;
}

int32_t int8_code(const uint8_t* blocks, uint64_t row, uint64_t column) {
  return blocks[column / 4 * kBlockBytes + 4 * row + column % 4];
}

}  // namespace

#define TERN_INT_REFERENCE(name, output, code, zero)                                                                   \
  void name(const WeightView& w, const InputView& in, const OutputView& out, TileRange range, std::byte*) {            \
    for_each_output(w, in, out, range,                                                                                 \
                    [&](uint64_t tile, uint64_t row, uint64_t m) { return output(w, in, tile, row, m, zero, code); }); \
  }

TERN_INT_REFERENCE(linear_int4_a8_reference_scalar, integer_output, int4_code, 8)
TERN_INT_REFERENCE(linear_int6_a8_reference_scalar, integer_output, int6_code, 32)
TERN_INT_REFERENCE(linear_int8_a8_reference_scalar, integer_output, int8_code, 128)
TERN_INT_REFERENCE(linear_int4_f32_reference_scalar, scaled_output, int4_code, 8)
TERN_INT_REFERENCE(linear_int6_f32_reference_scalar, scaled_output, int6_code, 32)
TERN_INT_REFERENCE(linear_int8_f32_reference_scalar, scaled_output, int8_code, 128)
#undef TERN_INT_REFERENCE

}  // namespace tern
