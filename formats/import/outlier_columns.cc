#include "formats/import/outlier_columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "formats/import/composition.h"

namespace tern {
namespace {

// The columns with most energy, then the others, both ascending.
ColumnsMatrix::Order order_of(const std::vector<double>& energies, uint64_t outliers) {
  ColumnsMatrix::Order order(energies.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return energies[a] > energies[b]; });
  const auto others = order.begin() + static_cast<std::ptrdiff_t>(outliers);
  std::sort(order.begin(), others), std::sort(others, order.end());
  return order;
}

class Splitter {
 public:
  Splitter(SourceModel& source, const ConvertOptions& options) : source_(source), options_(options) {}

  Status run() {
    for (const auto& m : source_.matrices) {
      if (is_block_linear(*m)) TERN_TRY(check(*m));
    }
    std::vector<std::unique_ptr<SourceMatrix>> all = std::exchange(source_.matrices, {}), linears;
    for (auto& m : all) (is_block_linear(*m) ? linears : source_.matrices).push_back(std::move(m));
    for (auto& m : linears) split(std::move(m));
    return {};
  }

 private:
  Status check(const SourceMatrix& m) const {
    if (m.form.kind != SourceForm::Kind::dense)
      return invalid_argument(fmt::format("layer '{}' is no dense matrix: it has no outlier columns", m.name));
    const auto energies = options_.calibration.find(m.name);
    if (energies == options_.calibration.end() || energies->second.size() != m.cols) {
      return invalid_argument(
          fmt::format("layer '{}' has no energies of {} columns, which the choice of outliers needs", m.name, m.cols));
    }
    const uint64_t outliers = vq_outlier_cols(options_.vq, m.cols);
    if (outliers < m.cols) return {};
    return invalid_argument(
        fmt::format("layer '{}': {} outliers of {} columns, expected fewer", m.name, outliers, m.cols));
  }

  void split(std::shared_ptr<const SourceMatrix> whole) {
    const uint64_t cols = whole->cols, outliers = vq_outlier_cols(options_.vq, cols);
    CompositionBuilder builder(source_, whole->name, whole->rows, cols);
    auto order = order_of(options_.calibration.at(whole->name), outliers);
    if (!order_ || *order_ != order) {
      order_ = std::make_shared<ColumnsMatrix::Order>(std::move(order));
      permutation_ =
          builder.add(std::make_unique<PermutationVector>(whole->name + ".permutation", whole->source_name, *order_));
    }
    builder.permute_input(permutation_);
    builder.add_term(builder.add(std::make_unique<ColumnsMatrix>(whole, order_, 0, outliers)), 0, outliers);
    builder.add_term(builder.add(std::make_unique<ColumnsMatrix>(whole, order_, outliers, cols)), outliers,
                     cols - outliers);
    builder.finish();
    source_.linears.back().split = true;
  }

  SourceModel& source_;
  const ConvertOptions& options_;
  std::shared_ptr<const ColumnsMatrix::Order> order_;  // the last one, and its tensor
  uint32_t permutation_ = 0;
};

}  // namespace

ColumnsMatrix::ColumnsMatrix(std::shared_ptr<const SourceMatrix> whole, std::shared_ptr<const Order> order,
                             uint64_t begin, uint64_t end)
    : whole_(std::move(whole)), order_(std::move(order)), begin_(begin) {
  name = whole_->name + (outliers() ? ".outliers" : ""), source_name = whole_->source_name;
  rows = whole_->rows, cols = end - begin;
  form.kind = SourceForm::Kind::columns, form.value_type = whole_->form.value_type;
}

Status ColumnsMatrix::read_rows(uint64_t first, uint64_t count, std::span<float> out) const {
  std::vector<float> row(whole_->cols);
  for (uint64_t r = 0; r < count; ++r) {
    TERN_TRY(whole_->read_rows(first + r, 1, row));
    for (uint64_t c = 0; c < cols; ++c) out[r * cols + c] = row[(*order_)[begin_ + c]];
  }
  return {};
}

Status split_outliers(SourceModel& source, const ConvertOptions& options) {
  TERN_TRY(check_vq(options.vq));
  if (!source.linears.empty()) {
    return invalid_argument(fmt::format("layer '{}' of this checkpoint ({}) is stored as it is: it has no outliers",
                                        source.linears[0].linear.name, source.convention));
  }
  return Splitter(source, options).run();
}

}  // namespace tern
