// Integers of eight bits, scalar: code c stands for c - 128.
#include "kernels/linear/kernels.h"
#include "kernels/linear/reference.h"

namespace tern {
namespace {

int32_t int8_code(const uint8_t* blocks, uint64_t row, uint64_t column) {
  return blocks[column / 4 * kBlockBytes + 4 * row + column % 4];
}

}  // namespace

void linear_int8_a8_reference_scalar(const WeightView& w, const InputView& in, const OutputView& out, TileRange range,
                                     std::byte*) {
  for_each_output(w, in, out, range, [&](uint64_t tile, uint64_t row, uint64_t m) {
    return integer_output(w, in, tile, row, m, 128, int8_code);
  });
}

void linear_int8_f32_reference_scalar(const WeightView& w, const InputView& in, const OutputView& out,
                                      TileRange range, std::byte*) {
  for_each_output(w, in, out, range, [&](uint64_t tile, uint64_t row, uint64_t m) {
    return scaled_output(w, in, tile, row, m, 128, int8_code);
  });
}

}  // namespace tern
