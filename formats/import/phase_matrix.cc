#include "formats/import/phase_matrix.h"

#include <algorithm>
#include <vector>

#include "base/checked.h"

namespace tern {
namespace {

constexpr uint64_t kBlockValues = uint64_t{1} << 19;

uint64_t differing(unsigned stages, const PhaseScales& a, const PhaseScales& b) {
  uint64_t count = 0;
  for (unsigned t = 0; t < stages; ++t) count += (a.re[t] != b.re[t]) + (a.im[t] != b.im[t]);
  return count;
}

uint64_t differing_codes(const PhaseOptions& options, const PhaseScales& a, const PhaseScales& b,
                         std::span<const float> re, std::span<const float> im) {
  constexpr size_t kChunk = 256;
  uint8_t ours[kMaxPhaseStages * kChunk], others[kMaxPhaseStages * kChunk];
  uint64_t differ = 0;
  for (size_t begin = 0; begin < re.size(); begin += kChunk) {
    const size_t count = std::min(kChunk, re.size() - begin);
    phase_codes(options, a, re.subspan(begin, count), im.subspan(begin, count), ours, count);
    phase_codes(options, b, re.subspan(begin, count), im.subspan(begin, count), others, count);
    for (size_t i = 0; i < options.stages * count; ++i) differ += ours[i] != others[i];
  }
  return differ;
}

}  // namespace

// Some rows of U and W.
struct PhaseMatrix::Block {
  uint64_t begin = 0, rows = 0, cols = 0;
  std::array<std::vector<float>, 2> re, im;  // of U and W

  std::span<const float> row_re(unsigned part, uint64_t row) const { return {re[part].data() + row * cols, cols}; }
  std::span<const float> row_im(unsigned part, uint64_t row) const { return {im[part].data() + row * cols, cols}; }
};

// What is fitted by itself: part `at` of those that there are, rows [row, row + rows) of a block, `width` numbers each
// from column col. With scales of the tensor a row, whose scales are known.
struct PhaseMatrix::Cell {
  unsigned at, part;
  uint64_t group, row, rows, col, width;

  std::span<const float> re(const Block& block, uint64_t r) const { return block.row_re(part, r).subspan(col, width); }
  std::span<const float> im(const Block& block, uint64_t r) const { return block.row_im(part, r).subspan(col, width); }
};

struct PhaseMatrix::Fitted {
  PhaseScales scales, other;  // as of PhaseFitter
};

PhaseMatrix::PhaseMatrix(const SourceMatrix& dense, const PhaseForm& phases) : dense_(dense), phases_(phases) {
  name = dense.name;
  source_name = dense.source_name;
  rows = dense.rows;
  cols = dense.cols;
  form = {SourceForm::Kind::phase, FloatType::f32, ScaleScope::none, 0};
}

PhaseMatrix::PhaseMatrix(const SourceMatrix& dense, const PhaseForm& phases, std::vector<PhasePair> regions)
    : PhaseMatrix(dense, phases) {
  regions_ = std::move(regions);
}

Result<std::unique_ptr<PhaseMatrix>> PhaseMatrix::fit(const SourceMatrix& dense, const PhaseForm& phases) {
  std::unique_ptr<PhaseMatrix> matrix(new PhaseMatrix(dense, phases));
  if (phases.region == PhaseRegion::tensor) TERN_TRY(matrix->fit_tensor());
  if (phases.options.arithmetic == PhaseArithmetic::bf16) TERN_TRY(matrix->count_doubtful());
  return matrix;
}

Result<std::unique_ptr<PhaseMatrix>> PhaseMatrix::fit(std::unique_ptr<SourceMatrix> dense, const PhaseForm& phases) {
  TERN_ASSIGN(auto matrix, fit(*dense, phases));
  matrix->own(std::move(dense));
  return matrix;
}

// Tiles as wide as 64 columns, or the largest number below that divides them.
uint64_t PhaseMatrix::groups() const {
  if (phases_.region != PhaseRegion::tile) return 1;
  uint64_t width = std::min(kPhaseTile, half_cols());
  while (half_cols() % width != 0) --width;
  return half_cols() / width;
}

uint64_t PhaseMatrix::region_rows() const {
  if (phases_.region == PhaseRegion::tensor) return half_rows();
  return phases_.region == PhaseRegion::tile ? kPhaseTile : 1;
}

Result<PhaseMatrix::Block> PhaseMatrix::read_block(uint64_t begin, uint64_t count) const {
  std::vector<float> top(count * cols), bottom(count * cols);
  TERN_TRY(dense_.read_rows(begin, count, top));
  TERN_TRY(dense_.read_rows(half_rows() + begin, count, bottom));
  Block b;
  b.begin = begin, b.rows = count, b.cols = half_cols();
  for (auto* numbers : {&b.re[0], &b.im[0], &b.re[1], &b.im[1]}) numbers->resize(count * b.cols);
#pragma omp parallel for schedule(static)
  for (uint64_t r = 0; r < count; ++r) {
    const auto row = [&](std::vector<float>& numbers) { return std::span(numbers).subspan(r * b.cols, b.cols); };
    widely_linear_row(std::span(top).subspan(r * cols, cols), std::span(bottom).subspan(r * cols, cols),
                      phases_.options.arithmetic, {row(b.re[0]), row(b.im[0]), row(b.re[1]), row(b.im[1])});
  }
  return b;
}

// visit(block of numbers) for all rows, in order; tiles are not cut.
template <class Visit>
Status PhaseMatrix::each_block(Visit visit) const {
  const uint64_t unit = phases_.region == PhaseRegion::tile ? kPhaseTile : 1;
  const uint64_t step = align_up(std::max<uint64_t>(1, kBlockValues / cols), unit);
  for (uint64_t begin = 0; begin < half_rows(); begin += step) {
    TERN_ASSIGN(const Block block, read_block(begin, std::min(step, half_rows() - begin)));
    visit(block);
  }
  return {};
}

// Sums of the rows are added in their order, whichever thread made them.
Status PhaseMatrix::fit_tensor() {
  std::array<PhaseFitter, 2> fitters{PhaseFitter(phases_.options), PhaseFitter(phases_.options)};
  while (!fitters[0].done() || !fitters[1].done()) {
    std::array<PhaseSums, 2> totals;
    const auto add = [&](const Block& block) {
      std::vector<std::array<PhaseSums, 2>> sums(block.rows);
#pragma omp parallel for schedule(static)
      for (uint64_t r = 0; r < block.rows; ++r) {
        for (unsigned part = 2 - parts(); part < 2; ++part)
          sums[r][part] = fitters[part].sums(block.row_re(part, r), block.row_im(part, r));
      }
      for (const auto& row : sums) {
        for (unsigned part = 0; part < 2; ++part) totals[part].add(row[part]);
      }
    };
    TERN_TRY(each_block(add));
    for (unsigned part = 0; part < 2; ++part) {
      if (!fitters[part].done()) fitters[part].end_pass(totals[part]);
    }
  }
  regions_ = {{fitters[0].scales(), fitters[1].scales()}};
  other_ = {fitters[0].other_scales(), fitters[1].other_scales()};
  return {};
}

uint64_t PhaseMatrix::cells(uint64_t count) const {
  const uint64_t height = phases_.region == PhaseRegion::tile ? kPhaseTile : 1;
  return ceil_div(count, height) * groups() * parts();
}

// Of a block of `count` rows.
PhaseMatrix::Cell PhaseMatrix::cell_of(uint64_t index, uint64_t count) const {
  const uint64_t height = phases_.region == PhaseRegion::tile ? kPhaseTile : 1, width = half_cols() / groups();
  const auto at = static_cast<unsigned>(index % parts());
  const uint64_t group = index / parts() % groups(), row = index / parts() / groups() * height;
  return {at, at + 2 - parts(), group, row, std::min(height, count - row), group * width, width};
}

PhaseMatrix::Fitted PhaseMatrix::fit_cell(const Block& block, const Cell& cell) const {
  const uint64_t region = (block.begin + cell.row) / region_rows() * groups() + cell.group;
  if (!regions_.empty()) return {regions_[region][cell.part], other_[cell.part]};
  PhaseFitter fitter(phases_.options);
  while (!fitter.done()) {
    PhaseSums sums;
    for (uint64_t r = cell.row; r < cell.row + cell.rows; ++r)
      sums.add(fitter.sums(cell.re(block, r), cell.im(block, r)));
    fitter.end_pass(sums);
  }
  return {fitter.scales(), fitter.other_scales()};
}

// Scales in doubt, and codes that differ when all of them take their other values.
Status PhaseMatrix::count_doubtful() {
  const bool whole = phases_.region == PhaseRegion::tensor;
  if (whole && regions_[0] == other_) return {};
  return each_block([&](const Block& block) {
    uint64_t scales = 0, codes = 0;
    const uint64_t count = cells(block.rows);
#pragma omp parallel for schedule(dynamic) reduction(+ : scales, codes)
    for (uint64_t index = 0; index < count; ++index) {
      const Cell cell = cell_of(index, block.rows);
      const Fitted fitted = fit_cell(block, cell);
      const uint64_t differ = differing(phases_.options.stages, fitted.scales, fitted.other);
      if (differ == 0) continue;
      if (!whole || block.begin + cell.row == 0) scales += differ;
      for (uint64_t r = cell.row; r < cell.row + cell.rows; ++r)
        codes += differing_codes(phases_.options, fitted.scales, fitted.other, cell.re(block, r), cell.im(block, r));
    }
    doubtful_scales_ += scales, doubtful_codes_ += codes;
  });
}

Status PhaseMatrix::read_phases(uint64_t begin, uint64_t count, std::span<uint8_t> codes,
                                std::span<float> scales) const {
  TERN_ASSIGN(const Block block, read_block(begin, count));
  const bool whole = phases_.region == PhaseRegion::tensor;
  const uint64_t plane = count * half_cols();
  const unsigned stages = phases_.options.stages;
  const uint64_t fitted = cells(count);
#pragma omp parallel for schedule(dynamic)
  for (uint64_t index = 0; index < fitted; ++index) {
    const Cell cell = cell_of(index, count);
    const PhaseScales s = fit_cell(block, cell).scales;
    for (uint64_t r = cell.row; r < cell.row + cell.rows; ++r) {
      phase_codes(phases_.options, s, cell.re(block, r), cell.im(block, r),
                  codes.data() + cell.at * plane + r * half_cols() + cell.col, parts() * plane);
      if (whole && r != 0) continue;
      for (unsigned t = 0; t < stages; ++t) {
        const uint64_t pair = 2 * (((r * groups() + cell.group) * stages + t) * parts() + cell.at);
        scales[pair] = s.re[t];
        scales[pair + 1] = s.im[t];
      }
    }
  }
  return {};
}

// Rows of one half at a time; tiles are read whole.
Status PhaseMatrix::read_rows(uint64_t begin, uint64_t count, std::span<float> out) const {
  while (count > 0) {
    const bool bottom = begin >= half_rows();
    const uint64_t row = bottom ? begin - half_rows() : begin, run = std::min(count, half_rows() - row);
    TERN_TRY(read_half(row, run, bottom, out));
    begin += run;
    count -= run;
    out = out.subspan(run * cols);
  }
  return {};
}

Status PhaseMatrix::read_half(uint64_t begin, uint64_t count, bool bottom, std::span<float> out) const {
  const uint64_t first = begin / kPhaseTile * kPhaseTile;
  const uint64_t read = std::min(align_up(begin + count, kPhaseTile), half_rows()) - first;
  const uint64_t planes = uint64_t{phases_.options.stages} * parts(), width = half_cols() / groups();
  const bool whole = phases_.region == PhaseRegion::tensor;
  std::vector<uint8_t> codes(planes * read * half_cols());
  std::vector<float> scales(2 * planes * groups() * (whole ? 1 : read));
  TERN_TRY(read_phases(first, read, codes, scales));
  std::vector<float> numbers(4 * half_cols());
  const auto part_of = [&](uint64_t i) { return std::span(numbers).subspan(i * half_cols(), half_cols()); };
  const std::span<float> re[2] = {part_of(0), part_of(2)}, im[2] = {part_of(1), part_of(3)};
  for (uint64_t r = begin - first; r < begin - first + count; ++r) {
    std::fill(numbers.begin(), numbers.end(), 0.f);
    for (uint64_t plane = 0; plane < planes; ++plane) {
      const uint64_t part = plane % parts() + 2 - parts();
      for (uint64_t g = 0; g < groups(); ++g) {
        const uint64_t pair = 2 * (((whole ? 0 : r) * groups() + g) * planes + plane), col = g * width;
        add_stage(std::span(codes).subspan((plane * read + r) * half_cols() + col, width), scales[pair],
                  scales[pair + 1], phases_.options.arithmetic, re[part].data() + col, im[part].data() + col);
      }
    }
    real_row({re[0], im[0], re[1], im[1]}, bottom, phases_.options.arithmetic,
             out.subspan((first + r - begin) * cols, cols));
  }
  return {};
}

}  // namespace tern
