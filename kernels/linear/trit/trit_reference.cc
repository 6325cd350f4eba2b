// Trits, scalar. At two bits code 0, 1, 2 stands for -1, 0, 1 (3, which no writer makes, for 2); five in a byte every
// byte has digits 0, 1, 2.
#include "kernels/linear/kernels.h"
#include "kernels/linear/reference.h"

namespace tern {
namespace {

int32_t two_bits(const uint8_t* blocks, uint64_t row, uint64_t column) {
  const uint8_t byte = blocks[column / 16 * kBlockBytes + 4 * row + column % 4];
  return byte >> (column % 16 / 4 * 2) & 3;
}

int32_t digit_of_five(const uint8_t* blocks, uint64_t row, uint64_t column) {
  uint32_t x = blocks[column / 20 * kBlockBytes + 4 * row + column % 4];
  for (uint64_t k = column % 20 / 4; k > 0; --k) x = 3 * x % 256;
  return static_cast<int32_t>(3 * x / 256);
}

}  // namespace

void linear_trit2_a8_reference_scalar(const WeightView& w, const InputView& in, const OutputView& out, TileRange range,
                                      std::byte*) {
  for_each_output(w, in, out, range, [&](uint64_t tile, uint64_t row, uint64_t m) {
    return integer_output(w, in, tile, row, m, 1, two_bits);
  });
}

void linear_trit2_f32_reference_scalar(const WeightView& w, const InputView& in, const OutputView& out, TileRange range,
                                       std::byte*) {
  for_each_output(w, in, out, range, [&](uint64_t tile, uint64_t row, uint64_t m) {
    return scaled_output(w, in, tile, row, m, 1, two_bits);
  });
}

void linear_trit5_a8_reference_scalar(const WeightView& w, const InputView& in, const OutputView& out, TileRange range,
                                      std::byte*) {
  for_each_output(w, in, out, range, [&](uint64_t tile, uint64_t row, uint64_t m) {
    return integer_output(w, in, tile, row, m, 1, digit_of_five);
  });
}

void linear_trit5_f32_reference_scalar(const WeightView& w, const InputView& in, const OutputView& out, TileRange range,
                                       std::byte*) {
  for_each_output(w, in, out, range, [&](uint64_t tile, uint64_t row, uint64_t m) {
    return scaled_output(w, in, tile, row, m, 1, digit_of_five);
  });
}

}  // namespace tern
