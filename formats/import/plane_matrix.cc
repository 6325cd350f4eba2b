#include "formats/import/plane_matrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/checked.h"
#include "formats/quantize/ptqtp_recover.h"

namespace tern {
namespace {

constexpr uint64_t kChunkValues = uint64_t{1} << 18;

// Visits the groups of some rows: visit(row of these, group, weights).
template <class Visit>
void each_group(std::span<const float> values, uint64_t cols, uint32_t group, Visit visit) {
  for (uint64_t row = 0; row * cols < values.size(); ++row) {
    for (uint64_t at = 0, g = 0; at < cols; at += group, ++g)
      visit(row, g, values.subspan(row * cols + at, std::min<uint64_t>(group, cols - at)));
  }
}

}  // namespace

Result<PlaneScan> scan_planes(const SourceMatrix& dense, uint32_t group) {
  PlaneScan scan;
  const PlaneRecovery half(dense.form.value_type, FloatType::f16), single(dense.form.value_type, FloatType::f32);
  const uint64_t block = std::max<uint64_t>(1, kChunkValues / dense.cols);
  std::vector<float> values(std::min(block, dense.rows) * dense.cols);
  std::vector<int8_t> trits(2 * uint64_t{group});
  float scales[2];
  for (uint64_t begin = 0; begin < dense.rows; begin += block) {
    const uint64_t count = std::min(block, dense.rows - begin);
    const std::span<float> part(values.data(), count * dense.cols);
    TERN_TRY(dense.read_rows(begin, count, part));
    each_group(part, dense.cols, group, [&](uint64_t row, uint64_t g, std::span<const float> weights) {
      ++scan.groups;
      if (half.recover(weights, trits.data(), group, scales)) return;
      if (single.recover(weights, trits.data(), group, scales)) {
        scan.scale_type = FloatType::f32;
      } else if (scan.strange++ == 0) {
        scan.first_strange_row = begin + row, scan.first_strange_col = g * group;
      }
    });
  }
  return scan;
}

PlaneMatrix::PlaneMatrix(const SourceMatrix& dense, uint32_t group, FloatType scale_type)
    : dense_(dense), group_(group), scale_type_(scale_type) {
  name = dense.name;
  source_name = dense.source_name;
  rows = dense.rows;
  cols = dense.cols;
  form = {SourceForm::Kind::trit, FloatType::f32, ScaleScope::group, group};
}

Status PlaneMatrix::read(uint64_t begin, uint64_t count, std::span<int8_t> trits, std::span<float> scales) const {
  std::vector<float> values(count * cols);
  TERN_TRY(dense_.read_rows(begin, count, values));
  const PlaneRecovery recovery(dense_.form.value_type, scale_type_);
  const uint64_t groups = ceil_div(cols, uint64_t{group_});
  bool changed = false;
  each_group(values, cols, group_, [&](uint64_t row, uint64_t g, std::span<const float> weights) {
    changed |= !recovery.recover(weights, trits.data() + row * cols + g * group_, count * cols,
                                 scales.subspan((row * groups + g) * 2).first<2>());
  });
  if (changed) return corrupt(fmt::format("tensor '{}': changed while it was read", dense_.source_name));
  return {};
}

Status PlaneMatrix::read_rows(uint64_t begin, uint64_t count, std::span<float> out) const {
  return dense_.read_rows(begin, count, out);
}

Status PlaneMatrix::read_codes(uint64_t begin, uint64_t count, std::span<int8_t> out) const {
  std::vector<float> scales(count * ceil_div(cols, uint64_t{group_}) * 2);
  return read(begin, count, out, scales);
}

Status PlaneMatrix::read_scales(uint64_t begin, uint64_t count, std::span<float> out) const {
  std::vector<int8_t> trits(2 * count * cols);
  return read(begin, count, trits, out);
}

}  // namespace tern
