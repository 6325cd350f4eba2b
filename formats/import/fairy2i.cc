#include "formats/import/fairy2i.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "base/checked.h"
#include "formats/import/phase_matrix.h"
#include "formats/quantize/phase_recover.h"

namespace tern {
namespace {

constexpr uint64_t kPassValues = uint64_t{1} << 18;
constexpr std::pair<PhaseRegion, const char*> kRegions[] = {
    {PhaseRegion::tensor, "tensor"}, {PhaseRegion::tile, "tile"}, {PhaseRegion::row, "row"}};

// Scales of bf16 masters are bf16 numbers, and stored as such where there are many.
PhaseForm form_of(const SourceMatrix& dense, unsigned stages, PhaseRegion region) {
  PhaseForm form;
  form.options.stages = stages;
  form.region = region;
  if (dense.form.value_type != FloatType::bf16) return form;
  form.options.arithmetic = PhaseArithmetic::bf16;
  if (region != PhaseRegion::tensor) form.options.scale_type = FloatType::bf16;
  return form;
}

// visit(r, row r, row n + r) for the first `rows` of the n, until it returns false.
template <class Visit>
Status each_pair_of_rows(const SourceMatrix& dense, uint64_t rows, Visit visit) {
  const uint64_t half = dense.rows / 2, step = std::max<uint64_t>(1, kPassValues / dense.cols);
  std::vector<float> top(step * dense.cols), bottom(top.size());
  for (uint64_t begin = 0; begin < rows; begin += step) {
    const uint64_t count = std::min(step, rows - begin), size = count * dense.cols;
    TERN_TRY(dense.read_rows(begin, count, std::span(top).first(size)));
    TERN_TRY(dense.read_rows(half + begin, count, std::span(bottom).first(size)));
    for (uint64_t r = 0; r < count; ++r) {
      const auto row = [&](const std::vector<float>& x) { return std::span(x).subspan(r * dense.cols, dense.cols); };
      if (!visit(begin + r, row(top), row(bottom))) return {};
    }
  }
  return {};
}

// The regions of a matrix that may have been saved quantized, [band of rows][group of columns].
class SavedMatrix {
 public:
  SavedMatrix(const SourceMatrix& dense, unsigned stages, PhaseRegion region)
      : dense_(dense), form_(form_of(dense, stages, region)) {
    form_.options.joint = true;
    const PhaseMatrix shape(dense, form_, {});
    groups_ = shape.groups();
    half_rows_ = shape.half_rows(), half_cols_ = shape.half_cols();
    band_ = std::min(shape.region_rows(), half_rows_);
  }

  // Null where most regions, or most numbers, are of no grid: masters.
  Result<std::unique_ptr<PhaseMatrix>> recover() const {
    TERN_ASSIGN(const Found found, choices(half_rows_));
    if (mostly_unknown(found, half_rows_)) return std::unique_ptr<PhaseMatrix>();
    const auto unknown = std::find_if(found.begin(), found.end(), [](const auto& c) { return c.empty(); });
    if (unknown != found.end()) return no_scales(static_cast<uint64_t>(unknown - found.begin()) / groups_ * band_);
    TERN_ASSIGN(Trial best, best_choice(found, half_rows_));
    const uint64_t differ = best.differing(), numbers = half_rows_ * half_cols_;
    if (differ == 0) return std::make_unique<PhaseMatrix>(dense_, form_, std::move(best.scales));
    if (differ * 2 > numbers) return std::unique_ptr<PhaseMatrix>();
    return corrupt(fmt::format(
        "tensor '{}' holds sums of {} stages of phases, but {} of its {} numbers are not of them, the first in row {}",
        dense_.source_name, form_.options.stages, differ, numbers, best.first_row));
  }

  // Whether the first regions are grids, every number.
  Result<bool> begins_with_grids() const {
    TERN_ASSIGN(const Found found, choices(band_));
    if (found.empty() || std::any_of(found.begin(), found.end(), [](const auto& c) { return c.empty(); })) return false;
    TERN_ASSIGN(const Trial best, best_choice(found, band_));
    return best.differing() == 0;
  }

 private:
  using Found = std::vector<std::vector<PhasePair>>;  // choices of each region
  struct Trial {
    std::vector<PhasePair> scales;
    std::vector<uint64_t> differ;  // numbers of U and W in a region that the codes do not give
    uint64_t first_row = 0;        // the first with one
    uint64_t differing() const { return std::accumulate(differ.begin(), differ.end(), uint64_t{0}); }
  };

  PhaseColumns columns(uint64_t g) const { return {g * half_cols_ / groups_, half_cols_ / groups_}; }
  bool mostly_unknown(const Found& found, uint64_t rows) const {
    const auto unknown = std::count_if(found.begin(), found.end(), [](const auto& choices) { return choices.empty(); });
    return found.empty() || static_cast<uint64_t>(unknown) * 2 > ceil_div(rows, band_) * groups_;
  }
  Status no_scales(uint64_t row) const {
    return corrupt(
        fmt::format("tensor '{}' holds sums of {} stages of phases, but of those from row {} on the scales "
                    "cannot be told",
                    dense_.source_name, form_.options.stages, row));
  }

  // Of the regions in the first rows, none where the numbers are of no grid. Ends where most are.
  Result<Found> choices(uint64_t rows) const {
    Found found;
    std::vector<PhaseGrid> grids;
    std::vector<bool> few;
    TERN_TRY(
        each_pair_of_rows(dense_, rows, [&](uint64_t r, std::span<const float> top, std::span<const float> bottom) {
          if (r % band_ == 0) {
            grids.assign(groups_, PhaseGrid(dense_.form.value_type, form_.options.stages));
            few.assign(groups_, true);
          }
          for (uint64_t g = 0; g < groups_; ++g) few[g] = few[g] && grids[g].add(top, bottom, columns(g));
          if ((r + 1) % band_ != 0 && r + 1 != rows) return band_ != rows || few[0];
          for (uint64_t g = 0; g < groups_; ++g) found.push_back(few[g] ? grids[g].scales() : std::vector<PhasePair>());
          return !mostly_unknown(found, rows);
        }));
    return found;
  }

  // The first choice of every region; where it does not give all numbers, the best of all.
  Result<Trial> best_choice(const Found& found, uint64_t rows) const {
    Trial best;
    for (const auto& choices : found) best.scales.push_back(choices[0]);
    TERN_TRY(count_differing(rows, best));
    for (size_t k = 1, more = 1; more != 0; ++k) {
      Trial trial = best;
      more = 0;
      for (size_t i = 0; i < found.size(); ++i) {
        if (best.differ[i] == 0 || k >= found[i].size()) continue;
        trial.scales[i] = found[i][k];
        ++more;
      }
      if (more != 0) TERN_TRY(count_differing(rows, trial));
      for (size_t i = 0; i < found.size(); ++i) {
        if (trial.differ[i] < best.differ[i]) best.scales[i] = trial.scales[i];
      }
      if (more != 0) TERN_TRY(count_differing(rows, best));
    }
    return best;
  }

  Status count_differing(uint64_t rows, Trial& trial) const {
    Status status;
    const PhaseMatrix matrix(dense_, form_, trial.scales);
    const PhaseGrid grid(dense_.form.value_type, form_.options.stages);
    std::vector<uint8_t> codes(2 * form_.options.stages * half_cols_);
    std::vector<float> pairs(4 * form_.options.stages * groups_);
    trial.differ.assign(trial.scales.size(), 0);
    bool exact = true;
    TERN_TRY(
        each_pair_of_rows(dense_, rows, [&](uint64_t r, std::span<const float> top, std::span<const float> bottom) {
          status = matrix.read_phases(r, 1, codes, pairs);
          if (exact) trial.first_row = r;
          for (uint64_t g = 0; g < groups_; ++g) {
            const uint64_t region = r / band_ * groups_ + g;
            const uint64_t differ = grid.differing(top, bottom, columns(g), trial.scales[region], codes);
            trial.differ[region] += differ;
            exact = exact && differ == 0;
          }
          return status.ok();
        }));
    return status;
  }

  const SourceMatrix& dense_;
  PhaseForm form_;
  uint64_t groups_ = 1, half_rows_ = 0, half_cols_ = 0, band_ = 1;
};

// What was saved quantized with other scales than the user says is not taken for masters.
Status refuse_other_scales(const SourceMatrix& dense, unsigned stages, PhaseRegion said) {
  for (const auto& [region, name] : kRegions) {
    if (region == said) continue;
    TERN_ASSIGN(const bool saved, SavedMatrix(dense, stages, region).begins_with_grids());
    if (saved) {
      return invalid_argument(
          fmt::format("tensor '{}' was saved quantized with scales for each {}: --fairy2i-scales {}", dense.source_name,
                      name, name));
    }
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<SourceMatrix>> fairy2i_matrix(std::unique_ptr<SourceMatrix> dense, const ImportOptions& options,
                                                     Fairy2iCounts& counts) {
  if (dense->rows % 2 != 0 || dense->cols % 2 != 0) {
    ++counts.dense;
    return dense;
  }
  const unsigned stages = options.fairy2i_stages;
  const PhaseRegion region = options.fairy2i_scales;
  const uint64_t half_cols = dense->cols / 2;
  if (region == PhaseRegion::tile && half_cols > kPhaseTile && half_cols % kPhaseTile != 0) {
    return unsupported(fmt::format("tensor '{}' has {} complex columns, expected a multiple of {} for scales of tiles",
                                   dense->source_name, half_cols, kPhaseTile));
  }
  TERN_ASSIGN(auto matrix, SavedMatrix(*dense, stages, region).recover());
  ++(matrix ? counts.quantized : counts.masters);
  if (!matrix) {
    TERN_TRY(refuse_other_scales(*dense, stages, region));
    TERN_ASSIGN(matrix, PhaseMatrix::fit(*dense, form_of(*dense, stages, region)));
  }
  matrix->own(std::move(dense));
  return std::unique_ptr<SourceMatrix>(std::move(matrix));
}

}  // namespace tern
