#include "formats/import/fairy2i.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "formats/import/phase_matrix.h"
#include "formats/quantize/phase_recover.h"

namespace tern {
namespace {

constexpr uint64_t kPassValues = uint64_t{1} << 18;

PhaseForm form_of(const SourceMatrix& dense, unsigned stages) {
  PhaseForm form;
  form.options.stages = stages;
  if (dense.form.value_type == FloatType::bf16) form.options.arithmetic = PhaseArithmetic::bf16;
  return form;
}

// visit(first row, rows r.., rows n + r..) in blocks, until it returns false.
template <class Visit>
Status each_pair_of_rows(const SourceMatrix& dense, Visit visit) {
  const uint64_t half = dense.rows / 2, step = std::max<uint64_t>(1, kPassValues / dense.cols);
  std::vector<float> top(step * dense.cols), bottom(top.size());
  for (uint64_t begin = 0; begin < half; begin += step) {
    const uint64_t count = std::min(step, half - begin), size = count * dense.cols;
    TERN_TRY(dense.read_rows(begin, count, std::span(top).first(size)));
    TERN_TRY(dense.read_rows(half + begin, count, std::span(bottom).first(size)));
    for (uint64_t r = 0; r < count; ++r) {
      const auto row = [&](const std::vector<float>& x) { return std::span(x).subspan(r * dense.cols, dense.cols); };
      if (!visit(begin + r, row(top), row(bottom))) return {};
    }
  }
  return {};
}

// Numbers of U and W that the codes do not give, and the first row with one.
struct Check {
  uint64_t numbers = 0, differ = 0, first_row = 0;
};

Result<Check> check(const PhaseMatrix& matrix, const SourceMatrix& dense, const PhaseGrid& grid,
                    const std::array<PhaseScales, 2>& scales) {
  Check found;
  Status status;
  const unsigned stages = matrix.phases().options.stages;
  std::vector<uint8_t> codes(2 * stages * matrix.half_cols());
  std::vector<float> pairs(4 * stages);
  TERN_TRY(each_pair_of_rows(dense, [&](uint64_t r, std::span<const float> top, std::span<const float> bottom) {
    status = matrix.read_phases(r, 1, codes, pairs);
    const uint64_t differ = grid.differing(top, bottom, scales, codes);
    if (found.differ == 0) found.first_row = r;
    found.differ += differ;
    found.numbers += matrix.half_cols();
    return status.ok();
  }));
  if (!status.ok()) return status;
  return found;
}

// The codes of a matrix that was saved quantized; null if it was not.
Result<std::unique_ptr<PhaseMatrix>> recover(const SourceMatrix& dense, unsigned stages) {
  PhaseGrid grid(dense.form.value_type, stages);
  bool few = true;
  TERN_TRY(each_pair_of_rows(dense, [&](uint64_t, std::span<const float> top, std::span<const float> bottom) {
    return few = grid.add(top, bottom);
  }));
  const auto scales = few ? grid.scales() : std::nullopt;
  if (!scales) return std::unique_ptr<PhaseMatrix>();
  PhaseForm form = form_of(dense, stages);
  form.options.joint = true;
  auto matrix = std::make_unique<PhaseMatrix>(dense, form, *scales);
  TERN_ASSIGN(const Check found, check(*matrix, dense, grid, *scales));
  if (found.differ == 0) return matrix;
  if (found.differ * 2 > found.numbers) return std::unique_ptr<PhaseMatrix>();
  return corrupt(fmt::format(
      "tensor '{}' holds sums of {} stages of phases, but {} of its {} numbers are not of them, the first in row {}",
      dense.source_name, stages, found.differ, found.numbers, found.first_row));
}

}  // namespace

Result<std::unique_ptr<SourceMatrix>> fairy2i_matrix(std::unique_ptr<SourceMatrix> dense, unsigned stages,
                                                     Fairy2iCounts& counts) {
  if (dense->rows % 2 != 0 || dense->cols % 2 != 0) {
    ++counts.dense;
    return dense;
  }
  TERN_ASSIGN(auto matrix, recover(*dense, stages));
  ++(matrix ? counts.quantized : counts.masters);
  if (!matrix) {
    TERN_ASSIGN(matrix, PhaseMatrix::fit(*dense, form_of(*dense, stages)));
  }
  matrix->own(std::move(dense));
  return std::unique_ptr<SourceMatrix>(std::move(matrix));
}

}  // namespace tern
