// Phase, scalar: the sums and the chain of linear.h, element by element.
#include "formats/encoding/phase.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "kernels/linear/kernels.h"
#include "kernels/linear/reference.h"

namespace tern {
namespace {

// One complex row of one matrix in one group of a stage.
struct PhaseRow {
  const WeightView& w;
  uint64_t tile, row, stage, group, matrix;

  bool conjugates() const { return matrix + 1 == w.encoding.bits; }  // W

  // The sign e1 (plane 0) or e2 (plane 1) of a column of the group.
  int sign(uint64_t plane, uint64_t column) const {
    const uint64_t in_unit = column % kPhaseUnitCols;
    const uint64_t block = group * w.layout.group_blocks + column / kPhaseUnitCols * kPhaseUnitBlocks + in_unit % 4 / 2;
    const uint64_t at = stage * phase_stage_bytes(w.encoding, w.layout) +
                        (block * w.encoding.bits + matrix) * kBlockBytes + (plane * kPhaseWords + row) * 2 +
                        in_unit % 2;
    const auto byte = std::to_integer<unsigned>(w.codes[tile * w.layout.tile_bytes + at]);
    return (byte >> in_unit / 4 & 1) != 0 ? 1 : -1;
  }

  // Of the real parts (part 0) or the imaginary ones (part 1).
  float scale(uint64_t part) const {
    const uint64_t pairs = 2 * w.encoding.bits, plane = 2 * matrix + part;
    if (w.encoding.scope == ScaleScope::tensor) return float_at(w.scales, w.encoding.scale_type, stage * pairs + plane);
    const uint64_t run = (stage * w.layout.groups + group) * pairs + plane;
    if (w.encoding.scope == ScaleScope::tile)
      return float_at(w.scales, w.encoding.scale_type, tile * kTileRows / kScaleTileRows * w.layout.tile_scales + run);
    return float_at(w.scales, w.encoding.scale_type, tile * w.layout.tile_scales + run * kTileRows + row);
  }
};

template <class T>
struct PhaseSums {  // of real and imaginary parts with both halves of the input
  T real1, real2, imaginary1, imaginary2;
};

PhaseSums<int32_t> integer_sums(const PhaseRow& c, const int8_t* xr, const int8_t* xi) {
  PhaseSums<int32_t> s{};
  for (uint64_t k = 0; k < c.w.layout.group_cols; ++k) {
    const int e1 = c.sign(0, k), e2 = c.sign(1, k), real = (e1 + e2) / 2, imaginary = (e2 - e1) / 2;
    s.real1 += real * xr[k], s.real2 += real * xi[k];
    s.imaginary1 += imaginary * xr[k], s.imaginary2 += imaginary * xi[k];
  }
  return s;
}

PhaseSums<float> float_sums(const PhaseRow& c, const float* xr, const float* xi) {
  float e1r = 0, e1i = 0, e2r = 0, e2i = 0;
  for (uint64_t k = 0; k < c.w.layout.group_cols; ++k) {
    const auto e1 = static_cast<float>(c.sign(0, k)), e2 = static_cast<float>(c.sign(1, k));
    e1r = fma32(e1, xr[k], e1r), e1i = fma32(e1, xi[k], e1i);
    e2r = fma32(e2, xr[k], e2r), e2i = fma32(e2, xi[k], e2i);
  }
  return {(e2r + e1r) * 0.5f, (e2i + e1i) * 0.5f, (e2r - e1r) * 0.5f, (e2i - e1i) * 0.5f};
}

// The outputs of complex row `row` of a tile. sums(row of a matrix); scales(group of the input).
template <class Sums, class Scales>
std::pair<float, float> phase_output(const WeightView& w, uint64_t tile, uint64_t row, Sums sums, Scales scales) {
  float yr = 0, yi = 0;
  for (uint64_t stage = 0; stage < w.encoding.planes; ++stage) {
    for (uint64_t group = 0; group < w.layout.groups; ++group) {
      const float ar = scales(group), ai = scales(w.layout.groups + group);
      for (uint64_t matrix = 0; matrix < w.encoding.bits; ++matrix) {
        const PhaseRow c{w, tile, row, stage, group, matrix};
        const auto s = sums(c);
        const float turn = c.conjugates() ? 1.f : -1.f;
        yr = fma32(static_cast<float>(s.real1), c.scale(0) * ar, yr);
        yr = fma32(turn * static_cast<float>(s.imaginary2), c.scale(1) * ai, yr);
        yi = fma32(-turn * static_cast<float>(s.real2), c.scale(0) * ai, yi);
        yi = fma32(static_cast<float>(s.imaginary1), c.scale(1) * ar, yi);
      }
    }
  }
  return {yr, yi};
}

// output(tile, row of the tile, token), for every complex row of the range.
template <class Output>
void for_each_pair(const WeightView& w, const InputView& in, const OutputView& out, TileRange range, Output output) {
  const uint64_t end = std::min(range.end * kTileRows, w.layout.tiled_rows);
  for (uint64_t m = 0; m < in.tokens; ++m) {
    float* y = out.y + m * out.stride;
    for (uint64_t r = range.begin * kTileRows; r < end; ++r)
      std::tie(y[r], y[w.layout.tiled_rows + r]) = output(r / kTileRows, r % kTileRows, m);
  }
}

}  // namespace

void linear_phase_a8_reference_scalar(const WeightView& w, const InputView& in, const OutputView& out, TileRange range,
                                      std::byte*) {
  const uint64_t cols = w.layout.padded_group_cols(), groups = w.layout.groups;
  for_each_pair(w, in, out, range, [&](uint64_t tile, uint64_t row, uint64_t m) {
    const auto sums = [&](const PhaseRow& c) {
      const int8_t* x = in.codes + m * in.code_stride + c.group * cols;
      return integer_sums(c, x, x + groups * cols);
    };
    return phase_output(w, tile, row, sums, [&](uint64_t group) { return in.scales[m * in.groups + group]; });
  });
}

void linear_phase_f32_reference_scalar(const WeightView& w, const InputView& in, const OutputView& out, TileRange range,
                                       std::byte*) {
  for_each_pair(w, in, out, range, [&](uint64_t tile, uint64_t row, uint64_t m) {
    const auto sums = [&](const PhaseRow& c) {
      const float* x = in.x + m * in.x_stride + c.group * w.layout.group_cols;
      return float_sums(c, x, x + w.cols / 2);
    };
    return phase_output(w, tile, row, sums, [](uint64_t) { return 1.f; });
  });
}

}  // namespace tern
