// What the scalar reference kernels share: where codes and scales lie. Readable first, fast second.
#pragma once

#include <cstring>

#include "base/half.h"
#include "base/math.h"
#include "kernels/linear/linear.h"

namespace tern {
namespace {

inline float float_at(const std::byte* values, FloatType type, uint64_t i) {
  if (type == FloatType::f32) {
    float f;
    std::memcpy(&f, values + 4 * i, 4);
    return f;
  }
  uint16_t h;
  std::memcpy(&h, values + 2 * i, 2);
  return type == FloatType::f16 ? f16_to_f32(h) : bf16_to_f32(h);
}

// The scale of one row of a tile in group g of plane p.
inline float scale_at(const WeightView& w, uint64_t tile, uint64_t row, uint64_t g, uint64_t p) {
  const uint64_t planes = w.encoding.planes;
  uint64_t i = p;  // ScaleScope::tensor
  if (w.encoding.scope == ScaleScope::row) i = (tile * planes + p) * kTileRows + row;
  if (w.encoding.scope == ScaleScope::group) i = ((tile * w.layout.groups + g) * planes + p) * kTileRows + row;
  return float_at(w.scales, w.encoding.scale_type, i);
}

// The 64-byte blocks of group g of plane p of a tile.
inline const uint8_t* blocks_at(const WeightView& w, uint64_t tile, uint64_t g, uint64_t p) {
  const uint64_t block = (g * w.encoding.planes + p) * w.layout.group_blocks;
  return reinterpret_cast<const uint8_t*>(w.codes) + tile * w.layout.tile_bytes + block * kBlockBytes;
}

// Columns of group g that are not padding.
inline uint64_t real_cols(const WeightView& w, uint64_t g) {
  const uint64_t left = w.cols - g * w.layout.group_cols;
  return left < w.layout.group_cols ? left : w.layout.group_cols;
}

// Calls f(tile, row of the tile, token) and stores what it returns, for every output of the range.
template <class F>
void for_each_output(const WeightView& w, const InputView& in, const OutputView& out, TileRange range, F f) {
  for (uint64_t tile = range.begin; tile < range.end; ++tile)
    for (uint64_t m = 0; m < in.tokens; ++m)
      for (uint64_t r = 0; r < kTileRows && tile * kTileRows + r < w.rows; ++r)
        out.y[m * out.stride + tile * kTileRows + r] = f(tile, r, m);
}

// int8 activations. code(blocks, row, column of the group) is the unsigned code, `zero` what it stands for 0.
template <class Code>
float integer_output(const WeightView& w, const InputView& in, uint64_t tile, uint64_t row, uint64_t m, int32_t zero,
                     Code code) {
  const uint64_t cols = w.layout.padded_group_cols();
  float y = 0;
  for (uint64_t g = 0; g < w.layout.groups; ++g) {
    const int8_t* a = in.codes + m * in.code_stride + g * cols;
    const float a_scale = in.scales[m * in.groups + (in.groups == 1 ? 0 : g)];
    for (uint64_t p = 0; p < w.encoding.planes; ++p) {
      const uint8_t* blocks = blocks_at(w, tile, g, p);
      int32_t sum = 0;
      for (uint64_t c = 0; c < cols; ++c) sum += (code(blocks, row, c) - zero) * a[c];
      y = fma32(static_cast<float>(sum), scale_at(w, tile, row, g, p) * a_scale, y);
    }
  }
  return y;
}

// f32 activations, weights with scales.
template <class Code>
float scaled_output(const WeightView& w, const InputView& in, uint64_t tile, uint64_t row, uint64_t m, int32_t zero,
                    Code code) {
  float y = 0;
  for (uint64_t g = 0; g < w.layout.groups; ++g) {
    const float* x = in.x + m * in.x_stride + g * w.layout.group_cols;
    for (uint64_t p = 0; p < w.encoding.planes; ++p) {
      const uint8_t* blocks = blocks_at(w, tile, g, p);
      float sum = 0;
      for (uint64_t c = 0; c < real_cols(w, g); ++c)
        sum = fma32(static_cast<float>(code(blocks, row, c) - zero), x[c], sum);
      y = fma32(scale_at(w, tile, row, g, p), sum, y);
    }
  }
  return y;
}

}  // namespace
}  // namespace tern
