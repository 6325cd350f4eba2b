// Dense f32, f16 and bf16, scalar. Column c of a tile is 16 values side by side, one per row.
#include "kernels/linear/kernels.h"
#include "kernels/linear/reference.h"

namespace tern {
namespace {

void dense_reference(const WeightView& w, const InputView& in, const OutputView& out, TileRange range) {
  for_each_output(w, in, out, range, [&](uint64_t tile, uint64_t row, uint64_t m) {
    const std::byte* values = w.codes + tile * w.layout.tile_bytes;
    const float* x = in.x + m * in.x_stride;
    float y = 0;
    for (uint64_t c = 0; c < w.cols; ++c)
      y = fma32(float_at(values, w.encoding.value_type, c * kTileRows + row), x[c], y);
    return y;
  });
}

}  // namespace

void linear_f32_f32_reference_scalar(const WeightView& w, const InputView& in, const OutputView& out, TileRange range,
                                     std::byte*) {
  dense_reference(w, in, out, range);
}

void linear_f16_f32_reference_scalar(const WeightView& w, const InputView& in, const OutputView& out, TileRange range,
                                     std::byte*) {
  dense_reference(w, in, out, range);
}

void linear_bf16_f32_reference_scalar(const WeightView& w, const InputView& in, const OutputView& out,
                                      TileRange range, std::byte*) {
  dense_reference(w, in, out, range);
}

}  // namespace tern
