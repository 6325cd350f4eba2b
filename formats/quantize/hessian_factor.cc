#include "formats/quantize/hessian_factor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tern {
namespace {

constexpr uint64_t kPanel = 8;  // columns that are eliminated together

// H as it is factored: scaled, dampened, in order.
class Dampened {
 public:
  Dampened(std::span<const double> triangle, std::span<const uint32_t> order, uint64_t cols)
      : triangle_(triangle), order_(order) {
    double sum = 0;
    for (uint64_t i = 0; i < cols; ++i) sum += entry(i, i);
    scale_ = static_cast<double>(cols) / sum;
  }

  double operator()(uint64_t i, uint64_t j) const {
    if (!order_.empty()) i = order_[i], j = order_[j];
    return entry(std::max(i, j), std::min(i, j)) * scale_ + (i == j ? 0.01 : 0);
  }
  bool usable() const { return std::isfinite(scale_) && scale_ > 0; }

 private:
  double entry(uint64_t i, uint64_t j) const { return triangle_[i * (i + 1) / 2 + j]; }

  std::span<const double> triangle_;
  std::span<const uint32_t> order_;
  double scale_ = 0;
};

// Columns [begin, end) of R, those behind them known: column k of the panel is (H - sum of later columns' products)
// over its diagonal.
class Panel {
 public:
  Panel(HessianFactor& r, const Dampened& h, uint64_t begin, uint64_t end) : r_(r), h_(h), begin_(begin), end_(end) {
    const uint64_t later = r.cols() - end;
    later_.resize(later * kPanel);
    for (uint64_t p = 0; p < end - begin; ++p)
      for (uint64_t k = 0; k < later; ++k) later_[k * kPanel + p] = r.row(begin + p)[end + k];
  }

  bool eliminate() {
    for (uint64_t i = end_; i-- > begin_;) {
      if (!solve(i)) return false;
    }
#pragma omp parallel for schedule(static)
    for (uint64_t i = 0; i < begin_; ++i) solve(i);
    return true;
  }

 private:
  // Row i of the panel, from its last column on. False: not positive definite.
  bool solve(uint64_t i) {
    const float* row = r_.row(i);
    double sums[kPanel] = {};
    for (uint64_t k = 0; k < r_.cols() - end_; ++k)
      for (uint64_t p = 0; p < kPanel; ++p) sums[p] += static_cast<double>(row[end_ + k]) * later_[k * kPanel + p];
    for (uint64_t j = end_; j-- > std::max(i, begin_);) {
      double left = h_(i, j) - sums[j - begin_];
      for (uint64_t k = j + 1; k < end_; ++k) left -= static_cast<double>(row[k]) * r_.row(j)[k];
      if (i == j && !(left > 0)) return false;
      r_.row(i)[j] = static_cast<float>(i == j ? std::sqrt(left) : left / r_.row(j)[j]);
    }
    return true;
  }

  HessianFactor& r_;
  const Dampened& h_;
  uint64_t begin_, end_;
  std::vector<double> later_;  // [column behind the panel][row of the panel]
};

}  // namespace

Result<HessianFactor> HessianFactor::create(std::span<const double> triangle, std::span<const uint32_t> order,
                                            const Interruption& interruption) {
  const uint64_t cols = triangle_cols(triangle.size());
  if (cols == 0 || (!order.empty() && order.size() != cols))
    return invalid_argument(fmt::format("a Hessian of {} values is no triangle", triangle.size()));
  const Dampened h(triangle, order, cols);
  if (!h.usable()) return invalid_argument("a Hessian whose diagonal is not positive and finite");
  HessianFactor r(cols);
  for (uint64_t end = cols; end > 0;) {
    if (interruption) TERN_TRY(interruption());
    const uint64_t begin = end > kPanel ? end - kPanel : 0;
    if (!Panel(r, h, begin, end).eliminate())
      return invalid_argument("a Hessian that is not positive definite: it is not a sum of squares");
    end = begin;
  }
  return r;
}

void HessianFactor::scale(std::span<const float> s) {
  for (uint64_t i = 0; i < cols_; ++i)
    for (uint64_t j = i; j < cols_; ++j) row(i)[j] *= s[i];
}

uint64_t triangle_cols(uint64_t values) {
  auto cols = static_cast<uint64_t>(std::sqrt(2.0 * static_cast<double>(values)));
  return cols * (cols + 1) / 2 == values ? cols : 0;
}

}  // namespace tern
