#include "kernels/onednn/dense_onednn.h"

#include <oneapi/dnnl/dnnl.h>

#include <algorithm>
#include <bit>

#include "kernels/linear/kernels.h"
#include "kernels/onednn/one_thread.h"

namespace tern {
namespace {

// A part of the weights as f32 in scratch: [column][row].
constexpr uint64_t kTiles = 16, kCols = kLinearScratchBytes / (kTiles * kTileRows * sizeof(float));

float value_of(const float* v) { return *v; }
struct Bf16 {
  uint16_t bits;
};
float value_of(const Bf16* v) { return std::bit_cast<float>(static_cast<uint32_t>(v->bits) << 16); }
struct F16 {
  uint16_t bits;
};
// Without a branch, so that the loop over values becomes vectors: exponents are rebased by a product, which is exact.
float value_of(const F16* v) {
  const uint32_t bits = v->bits, magnitude = (bits & 0x7fff) << 13, sign = bits >> 15 << 31;
  const uint32_t finite = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f);
  return std::bit_cast<float>((magnitude >= 0x0f800000u ? magnitude | 0x7f800000u : finite) | sign);
}

template <class T>
void unpack(const WeightView& w, TileRange tiles, uint64_t col, uint64_t cols, float* to) {
  const uint64_t stride = (tiles.end - tiles.begin) * kTileRows;
  for (uint64_t tile = tiles.begin; tile < tiles.end; ++tile, to += kTileRows) {
    const T* from = reinterpret_cast<const T*>(w.codes + tile * w.layout.tile_bytes) + col * kTileRows;
    for (uint64_t c = 0; c < cols; ++c)
      for (uint64_t r = 0; r < kTileRows; ++r) to[c * stride + r] = value_of(from + c * kTileRows + r);
  }
}

// Up to kTiles tiles, all columns; false if oneDNN refuses.
template <class T>
bool multiply(const WeightView& w, const InputView& in, const OutputView& out, TileRange tiles, float* part) {
  const uint64_t first = tiles.begin * kTileRows, stride = (tiles.end - tiles.begin) * kTileRows;
  const auto rows = static_cast<dnnl_dim_t>(std::min(stride, w.rows - first));
  for (uint64_t col = 0; col < w.cols; col += kCols) {
    const uint64_t cols = std::min(kCols, w.cols - col);
    unpack<T>(w, tiles, col, cols, part);
    const float add_to = col == 0 ? 0 : 1;
    if (dnnl_sgemm('N', 'N', static_cast<dnnl_dim_t>(in.tokens), rows, static_cast<dnnl_dim_t>(cols), 1, in.x + col,
                   static_cast<dnnl_dim_t>(in.x_stride), part, static_cast<dnnl_dim_t>(stride), add_to, out.y + first,
                   static_cast<dnnl_dim_t>(out.stride)) != dnnl_success)
      return false;
  }
  return true;
}

template <class T, LinearKernel reference>
void dense_onednn(const WeightView& w, const InputView& in, const OutputView& out, TileRange range,
                  std::byte* scratch) {
  const OneThread one;
  for (uint64_t tile = range.begin; tile < range.end; tile += kTiles) {
    const TileRange tiles{tile, std::min(tile + kTiles, range.end)};
    if (!multiply<T>(w, in, out, tiles, reinterpret_cast<float*>(scratch))) reference(w, in, out, tiles, scratch);
  }
}

constexpr LinearKernelEntry entry(const char* name, FloatType type, LinearKernel run) {
  return {name, EncodingKind::dense, 0, type, LinearInput::f32, KernelFamily::dot, 0, run};
}

}  // namespace

const LinearKernelEntry* onednn_kernel(FloatType type) {
  static constexpr LinearKernelEntry kKernels[] = {
      entry("linear_f32_f32_dot_onednn", FloatType::f32, dense_onednn<float, linear_f32_f32_reference_scalar>),
      entry("linear_f16_f32_dot_onednn", FloatType::f16, dense_onednn<F16, linear_f16_f32_reference_scalar>),
      entry("linear_bf16_f32_dot_onednn", FloatType::bf16, dense_onednn<Bf16, linear_bf16_f32_reference_scalar>)};
  for (const LinearKernelEntry& kernel : kKernels) {
    if (kernel.value_type == type) return &kernel;
  }
  return nullptr;
}

}  // namespace tern
