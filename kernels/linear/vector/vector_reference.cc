// Vectors of codebooks, scalar: the canonical orders of linear.h, one output at a time.
#include "kernels/linear/kernels.h"
#include "kernels/linear/reference.h"

namespace tern {
namespace {

constexpr uint64_t kLanes = 16;  // of the sums of vin16

// The index of a lane of the matrix: the fields of vector.h, the widest first.
uint64_t index_at(const WeightView& w, uint64_t plane, uint64_t lane, uint64_t position) {
  const Encoding& e = w.encoding;
  const uint64_t tile = lane / vector_tile_lanes(e), in_tile = lane % vector_tile_lanes(e);
  const uint64_t lanes = vector_lanes(e, w.layout, tile);
  const auto* at =
      reinterpret_cast<const uint8_t*>(w.codes) + vector_record(e, w.layout, w.cols, tile, plane, position);
  if (e.bits == 16) return at[2 * in_tile] | at[2 * in_tile + 1] << 8;
  uint64_t index = 0;
  for (unsigned width = 8, low = 0; width > 0; width /= 2) {
    if ((e.bits & width) == 0) continue;
    const uint64_t stride = lanes * width / 8;
    index |= (static_cast<uint64_t>(at[in_tile % stride]) >> width * (in_tile / stride) & ((1u << width) - 1)) << low;
    at += stride;
    low += width;
  }
  return index;
}

// Value i of an entry, without scales.
float value_at(const WeightView& w, uint64_t entry, uint64_t i) {
  const uint64_t length = w.encoding.length;
  if (!w.codebook.integer) return float_at(w.codebook.values, w.codebook.type, entry * length + i);
  return static_cast<float>(static_cast<int>(w.codebook.values[codebook_byte(w.encoding, entry, i)]) - 128);
}

float vector_scale(const WeightView& w, uint64_t row, uint64_t plane) {
  if (w.encoding.scope == ScaleScope::none) return w.codebook.scale;
  return scale_at(w, row / kTileRows, row % kTileRows, 0, plane) * w.codebook.scale;
}

// y = fma(scale_p, sum(row, m, p), y) for every row of the range.
template <class Sum>
void for_each_row(const WeightView& w, const InputView& in, const OutputView& out, TileRange range, Sum sum) {
  const uint64_t end = range.end * w.layout.tile_rows;
  for (uint64_t m = 0; m < in.tokens; ++m) {
    for (uint64_t row = range.begin * w.layout.tile_rows; row < end && row < w.rows; ++row) {
      float y = 0;
      for (uint64_t p = 0; p < w.encoding.planes; ++p) y = fma32(vector_scale(w, row, p), sum(row, m, p), y);
      out.y[m * out.stride + row] = y;
    }
  }
}

// Calls f(value, column, whether it is the vector's last) for the values of a row along the input axis, those that
// reach beyond the matrix included.
template <class F>
void for_each_value(const WeightView& w, uint64_t row, uint64_t plane, F f) {
  const uint64_t length = w.encoding.length;
  for (uint64_t position = 0; position < vector_positions(w.encoding, w.cols); ++position) {
    const uint64_t entry = vector_book(w.encoding, position, plane) + index_at(w, plane, row, position);
    for (uint64_t i = 0; i < length; ++i) f(value_at(w, entry, i), position * length + i, i + 1 == length);
  }
}

}  // namespace

void linear_vout_f32_reference_scalar(const WeightView& w, const InputView& in, const OutputView& out, TileRange range,
                                      std::byte*) {
  const uint64_t length = w.encoding.length;
  for_each_row(w, in, out, range, [&](uint64_t row, uint64_t m, uint64_t p) {
    float sum = 0;
    for (uint64_t c = 0; c < w.cols; ++c) {
      const uint64_t entry = vector_book(w.encoding, c, p) + index_at(w, p, row / length, c);
      sum = fma32(value_at(w, entry, row % length), in.x[m * in.x_stride + c], sum);
    }
    return sum;
  });
}

void linear_vin8_f32_reference_scalar(const WeightView& w, const InputView& in, const OutputView& out, TileRange range,
                                      std::byte*) {
  for_each_row(w, in, out, range, [&](uint64_t row, uint64_t m, uint64_t p) {
    float sum = 0, part = 0;
    for_each_value(w, row, p, [&](float value, uint64_t column, bool last) {
      part = fma32(value, in.x[m * in.x_stride + column], part);
      if (last) sum += part, part = 0;
    });
    return sum;
  });
}

void linear_vin16_f32_reference_scalar(const WeightView& w, const InputView& in, const OutputView& out, TileRange range,
                                       std::byte*) {
  for_each_row(w, in, out, range, [&](uint64_t row, uint64_t m, uint64_t p) {
    float sums[kLanes] = {};
    for_each_value(w, row, p, [&](float value, uint64_t column, bool) {
      float& lane = sums[column % kLanes];
      lane = fma32(value, in.x[m * in.x_stride + column], lane);
    });
    for (uint64_t c = vector_positions(w.encoding, w.cols) * w.encoding.length; c % kLanes != 0; ++c)
      sums[c % kLanes] += 0;
    for (uint64_t step = kLanes / 2; step > 0; step /= 2)
      for (uint64_t i = 0; i < step; ++i) sums[i] += sums[i + step];
    return sums[0];
  });
}

void linear_vin8_a8_reference_scalar(const WeightView& w, const InputView& in, const OutputView& out, TileRange range,
                                     std::byte*) {
  const uint64_t end = range.end * w.layout.tile_rows;
  for (uint64_t m = 0; m < in.tokens; ++m) {
    for (uint64_t row = range.begin * w.layout.tile_rows; row < end && row < w.rows; ++row) {
      float y = 0;
      for (uint64_t p = 0; p < w.encoding.planes; ++p) {
        int32_t sum = 0;
        for_each_value(w, row, p, [&](float value, uint64_t column, bool) {
          sum += static_cast<int32_t>(value) * in.codes[m * in.code_stride + column];
        });
        y = fma32(static_cast<float>(sum), vector_scale(w, row, p) * in.scales[m], y);
      }
      out.y[m * out.stride + row] = y;
    }
  }
}

}  // namespace tern
