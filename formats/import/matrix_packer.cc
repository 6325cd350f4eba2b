#include "formats/import/matrix_packer.h"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/checked.h"
#include "formats/encoding/dense.h"
#include "formats/encoding/int.h"
#include "formats/encoding/phase.h"
#include "formats/encoding/values.h"
#include "formats/quantize/round_to_nearest.h"

namespace tern {
namespace {

constexpr uint64_t kBlockValues = uint64_t{1} << 20;

}  // namespace

MatrixPacker::MatrixPacker(const MatrixPlan& plan, Layout layout) : plan_(&plan), layout_(layout) {}

Result<MatrixPacker> MatrixPacker::create(const MatrixPlan& plan) {
  TERN_ASSIGN(const Layout layout, layout_of(plan.encoding, plan.source->rows, plan.source->cols));
  return MatrixPacker(plan, layout);
}

// Rows of phases are counted in tiles of theirs.
uint64_t MatrixPacker::block_rows() const {
  const uint64_t unit = plan_->phase ? kPhaseTile : kTileRows;
  return std::max(unit, kBlockValues / (halves() * plan_->source->cols) / unit * unit);
}

// Values, their masters or codes, packed tiles (at most 4 bytes a value and the padding of narrow groups), scales.
uint64_t MatrixPacker::working_bytes(uint64_t cols, unsigned threads) {
  return 32 * std::max(2 * kPhaseTile * cols, kBlockValues) + 4 * cols * threads;
}

uint64_t MatrixPacker::scales_per_row() const {
  const bool whole = plan_->encoding.scope == ScaleScope::tensor || plan_->encoding.scope == ScaleScope::none;
  return whole ? 0 : layout_.groups * scale_planes(plan_->encoding);
}

Status MatrixPacker::read_block(uint64_t begin, uint64_t count) {
  const uint64_t cols = plan_->source->cols, size = count * cols;
  values_.resize(size * halves());
  for (uint64_t half = 0; half < halves(); ++half)
    TERN_TRY(plan_->source->read_rows(half * rows() + begin, count, std::span(values_).subspan(half * size, size)));
  if (plan_->encoding.kind == EncodingKind::plain || plan_->encoding.kind == EncodingKind::dense) return {};
  const bool whole = plan_->encoding.scope == ScaleScope::tensor;
  scale_values_.resize(whole ? scale_planes(plan_->encoding) : count * scales_per_row());
  if (plan_->phase) {
    phases_.resize(size / 2 * plan_->encoding.planes * plan_->encoding.bits);
    return plan_->phase->read_phases(begin, count, phases_, scale_values_);
  }
  q_.resize(size * plan_->encoding.planes);
  if (plan_->ptqtp) {
    fit_planes(count);
    return {};
  }
  if (!plan_->keep_codes) {
    round_to_codes(count);
    return {};
  }
  TERN_TRY(plan_->codes_source().read_codes(begin, count, q_));
  return plan_->codes_source().read_scales(begin, count, scale_values_);
}

void MatrixPacker::round_to_codes(uint64_t count) {
  const Encoding& e = plan_->encoding;
  const uint64_t cols = plan_->source->cols, groups = layout_.groups, width = layout_.group_cols;
#pragma omp parallel for schedule(static)
  for (uint64_t row = 0; row < count; ++row) {
    for (uint64_t g = 0; g < groups; ++g) {
      const uint64_t at = row * cols + g * width, size = std::min(width, cols - g * width);
      const auto values = std::span(values_).subspan(at, size);
      const auto codes = std::span(q_).subspan(at, size);
      scale_values_[row * groups + g] = e.bits == 8 ? round_to_nearest_int8(values, e.scale_type, codes)
                                                    : round_to_fitted_scale(values, e.bits, e.scale_type, codes);
    }
  }
}

void MatrixPacker::fit_planes(uint64_t count) {
  const uint64_t cols = plan_->source->cols, width = layout_.group_cols, planes = plan_->encoding.planes;
  std::vector<PtqtpFitter> fitters(static_cast<size_t>(omp_get_max_threads()), PtqtpFitter(*plan_->ptqtp, width));
#pragma omp parallel for schedule(dynamic, 4)
  for (uint64_t row = 0; row < count; ++row) {
    PtqtpFitter& fitter = fitters[static_cast<size_t>(omp_get_thread_num())];
    for (uint64_t g = 0; g < layout_.groups; ++g) {
      const uint64_t at = row * cols + g * width, size = std::min(width, cols - g * width);
      const auto importance =
          plan_->importance.empty() ? std::span<const float>() : std::span(plan_->importance).subspan(g * width, size);
      fitter.fit(std::span(values_).subspan(at, size), importance, q_.data() + at, count * cols,
                 std::span(scale_values_).subspan((row * layout_.groups + g) * planes, planes));
    }
  }
}

void MatrixPacker::pack_scales(uint64_t count) {
  const Encoding& e = plan_->encoding;
  if (e.scope == ScaleScope::tensor) {
    scales_.resize(scale_values_.size() * float_bytes(e.scale_type));
    for (size_t i = 0; i < scale_values_.size(); ++i) store_float(e.scale_type, scales_.data(), i, scale_values_[i]);
    return;
  }
  const uint64_t step = scale_rows(e), runs = ceil_div(count, step), bytes = tile_scale_bytes(e, layout_);
  scales_.resize(runs * bytes);
#pragma omp parallel for schedule(static)
  for (uint64_t run = 0; run < runs; ++run) {
    const uint64_t first = run * step;
    pack_tile_scales(e, layout_, std::min(step, count - first), scale_values_.data() + first * scales_per_row(),
                     scales_.data() + run * bytes);
  }
}

void MatrixPacker::pack_tile(uint64_t tile, uint64_t rows) {
  const uint64_t cols = plan_->source->cols, first = tile * kTileRows;
  std::byte* out = codes_.data() + tile * layout_.tile_bytes;
  if (plan_->encoding.kind == EncodingKind::dense) {
    pack_dense_tile(plan_->encoding.value_type, rows, cols, values_.data() + first * cols, cols, out);
    return;
  }
  if (plan_->phase) {
    const uint64_t width = cols / 2, planes = uint64_t{plan_->encoding.planes} * plan_->encoding.bits;
    pack_phase_tile(plan_->encoding, layout_, rows, phases_.data() + first * width, width, phases_.size() / planes,
                    out);
  } else if (plan_->encoding.kind == EncodingKind::trit) {
    const uint64_t plane_stride = q_.size() / plan_->encoding.planes;
    pack_trit_tile(plan_->encoding, layout_, rows, cols, q_.data() + first * cols, cols, plane_stride, out);
  } else {
    pack_int_tile(plan_->encoding.bits, layout_, rows, cols, q_.data() + first * cols, cols, out);
  }
}

void MatrixPacker::measure_tile(uint64_t tile, uint64_t rows, uint64_t count, float* decoded) {
  const uint64_t cols = plan_->source->cols;
  const std::byte* codes = codes_.data() + tile * layout_.tile_bytes;
  const uint64_t run = tile * kTileRows / scale_rows(plan_->encoding);
  const std::byte* scales = scales_.data() + run * tile_scale_bytes(plan_->encoding, layout_);
  TileError sum;
  for (uint64_t i = 0; i < rows * halves(); ++i) {
    const uint64_t half = i / rows, r = i % rows;
    decode_row(plan_->encoding, layout_, cols, codes, scales, half * this->rows() + r, decoded);
    const float* value = values_.data() + (half * count + tile * kTileRows + r) * cols;
    for (uint64_t c = 0; c < cols; ++c) {
      const double difference = static_cast<double>(value[c]) - decoded[c];
      sum.error += difference * difference;
      sum.norm += static_cast<double>(value[c]) * value[c];
      sum.exact &= value[c] == decoded[c];
      sum.finite &= std::isfinite(decoded[c]);
    }
  }
  tile_errors_[tile] = sum;
}

// In the order of tiles, so that the sums do not depend on threads.
Status MatrixPacker::add_up(uint64_t begin, uint64_t tiles) {
  for (uint64_t tile = 0; tile < tiles; ++tile) {
    const TileError& e = tile_errors_[tile];
    if (!e.finite) {
      return invalid_argument(
          fmt::format("tensor '{}' ('{}'): rows {} to {} hold values beyond the range of {}; choose f32 or "
                      "bf16",
                      plan_->source->name, plan_->source->source_name, begin + tile * kTileRows,
                      begin + tile * kTileRows + kTileRows - 1, describe(plan_->encoding)));
    }
    error_ += e.error;
    norm_ += e.norm;
    exact_ &= e.exact;
  }
  return {};
}

Status MatrixPacker::pack(uint64_t begin, uint64_t count) {
  TERN_TRY(read_block(begin, count));
  const uint64_t cols = plan_->source->cols;
  if (plan_->encoding.kind == EncodingKind::plain) {  // as read: a type that holds the values
    codes_.resize(count * cols * float_bytes(plan_->encoding.value_type));
    for (uint64_t i = 0; i < values_.size(); ++i) store_float(plan_->encoding.value_type, codes_.data(), i, values_[i]);
    return {};
  }
  const uint64_t tiles = ceil_div(count, kTileRows);
  codes_.resize(tiles * layout_.tile_bytes);
  pack_scales(count);
  tile_errors_.assign(tiles, {});
  decoded_.resize(static_cast<size_t>(omp_get_max_threads()) * cols);
#pragma omp parallel for schedule(static)
  for (uint64_t tile = 0; tile < tiles; ++tile) {
    const uint64_t rows = std::min<uint64_t>(kTileRows, count - tile * kTileRows);
    pack_tile(tile, rows);
    measure_tile(tile, rows, count, decoded_.data() + static_cast<size_t>(omp_get_thread_num()) * cols);
  }
  TERN_TRY(add_up(begin, tiles));
  if (plan_->encoding.scope == ScaleScope::tensor && begin != 0) scales_.clear();
  return {};
}

double MatrixPacker::relative_error() const {
  if (error_ == 0) return 0;
  return norm_ == 0 ? INFINITY : std::sqrt(error_ / norm_);
}

}  // namespace tern
