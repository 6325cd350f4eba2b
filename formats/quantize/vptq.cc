#include "formats/quantize/vptq.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "base/checked.h"
#include "base/half.h"
#include "formats/quantize/hessian_factor.h"
#include "formats/quantize/k_means.h"
#include "formats/quantize/round_to_nearest.h"
#include "formats/quantize/vptq_columns.h"

namespace tern {
namespace {

constexpr uint64_t kSampleValues = uint64_t{1} << 19;  // of a codebook, at least

float in_f16(float value) { return f16_to_f32(f32_to_f16(value)); }

class Vptq {
 public:
  Vptq(const VptqOptions& options, std::span<const float> weights, uint64_t cols, std::span<const double> triangle,
       const Interruption& interruption)
      : options_(options),
        w_(weights),
        cols_(cols),
        rows_(weights.size() / cols),
        triangle_(triangle),
        interruption_(interruption),
        x_(weights.size()),
        left_(weights.size()) {}

  Result<VptqFit> run() {
    normalize();
    sort_columns();
    plan_stages();
    TERN_TRY(make_factor());
    store_columns();
    left_ = x_;
    for (VptqStage& stage : fit_.stages) {
      if (&stage != residual()) TERN_TRY(train(stage));
    }
    TERN_TRY(sweep(false));
    if (VptqStage* stage = residual()) {
      TERN_TRY(train(*stage));
      TERN_TRY(sweep(true));
    }
    measure();
    return std::move(fit_);
  }

 private:
  VptqStage* residual() { return options_.residual ? &fit_.stages[1] : nullptr; }

  // Offsets and factors as the file will hold them. A column of equal values keeps a factor of 1.
  void normalize() {
    std::vector<float> low(w_.begin(), w_.begin() + static_cast<std::ptrdiff_t>(cols_)), high = low;
    for (uint64_t i = 0; i < w_.size(); ++i) {
      low[i % cols_] = std::min(low[i % cols_], w_[i]);
      high[i % cols_] = std::max(high[i % cols_], w_[i]);
    }
    for (uint64_t c = 0; c < cols_; ++c) {
      const float factor = in_f16(high[c] - low[c]);
      fit_.offsets.push_back(in_f16(options_.int8_codebooks ? (low[c] + high[c]) / 2 : low[c]));
      fit_.factors.push_back(factor > 0 ? factor : 1.f);
    }
  }

  double diagonal(uint64_t c) const { return triangle_.empty() ? 1 : triangle_[c * (c + 1) / 2 + c]; }

  void sort_columns() {
    fit_.order.resize(cols_);
    std::iota(fit_.order.begin(), fit_.order.end(), 0u);
    std::stable_sort(fit_.order.begin(), fit_.order.end(),
                     [&](uint32_t a, uint32_t b) { return diagonal(a) > diagonal(b); });
  }

  void plan_stages() {
    fit_.stages = vptq_stages(options_, cols_);
    for (VptqStage& stage : fit_.stages) {
      stage.codebook.resize((stage.cols / stage.group_cols << stage.bits) * stage.length);
      stage.indices.resize(ceil_div(rows_, uint64_t{stage.length}) * stage.cols);
    }
  }

  Status make_factor() {
    if (!options_.feedback) return {};
    TERN_ASSIGN(factor_, HessianFactor::create(triangle_, fit_.order, interruption_));
    std::vector<float> factors;
    for (const uint32_t c : fit_.order) factors.push_back(fit_.factors[c]);
    factor_->scale(factors);
    return {};
  }

  void store_columns() {
    double sum = 0;
    for (uint64_t c = 0; c < cols_; ++c) sum += diagonal(c);
    for (uint64_t s = 0; s < cols_; ++s) {
      const uint32_t c = fit_.order[s];
      for (uint64_t r = 0; r < rows_; ++r) x_[r * cols_ + s] = (w_[r * cols_ + c] - fit_.offsets[c]) / fit_.factors[c];
      const double h = diagonal(c) * static_cast<double>(cols_) / sum + 0.01;
      importance_.push_back(static_cast<float>(h * fit_.factors[c] * fit_.factors[c]));
    }
  }

  // ---- codebooks ----

  // Those of a stage from vectors of left_, bands at equal distances.
  Status train(VptqStage& stage) {
    const uint64_t bands = ceil_div(rows_, uint64_t{stage.length}), entries = uint64_t{1} << stage.bits;
    const uint64_t wanted = std::max(kSampleValues / stage.length, vptq_sample_vectors(stage.bits) * entries);
    const uint64_t count = std::clamp<uint64_t>(wanted / stage.group_cols, 1, bands);
    for (uint64_t group = 0; group < stage.cols / stage.group_cols; ++group) {
      std::vector<float> vectors, weights;
      for (uint64_t k = 0; k < count; ++k) {
        const uint64_t band = k * bands / count, begin = stage.col_begin + group * stage.group_cols;
        for (uint64_t s = begin; s < begin + stage.group_cols; ++s) add_vector(stage, band, s, vectors, weights);
      }
      const KMeansOptions options{stage.length, static_cast<unsigned>(entries), options_.seed, options_.kernels};
      TERN_ASSIGN(const auto centers, split_k_means(options, vectors, weights, interruption_));
      for (uint64_t i = 0; i < centers.size(); ++i)  // [value][entry]
        stage.codebook[(group * entries + i % entries) * stage.length + i / entries] = centers[i];
    }
    round_codebooks(stage);
    return {};
  }

  void round_codebooks(VptqStage& stage) const {
    if (options_.int8_codebooks) {
      stage.codes.resize(stage.codebook.size());
      stage.scale = round_to_nearest_int8(stage.codebook, FloatType::f32, stage.codes);
    }
    for (size_t i = 0; i < stage.codebook.size(); ++i) {
      float& value = stage.codebook[i];
      value = options_.int8_codebooks ? stage.scale * static_cast<float>(stage.codes[i]) : in_f16(value);
    }
  }

  void add_vector(const VptqStage& stage, uint64_t band, uint64_t s, std::vector<float>& vectors,
                  std::vector<float>& weights) const {
    for (uint64_t r = band * stage.length; r < (band + 1) * stage.length; ++r) {
      vectors.push_back(r < rows_ ? left_[r * cols_ + s] : 0);
      weights.push_back(r < rows_ ? importance_[s] : 0);
    }
  }

  // ---- assignment ----

  Status sweep(bool with_residual) {
    return quantize_columns(options_, {rows_, cols_, x_, left_, factor_ ? &*factor_ : nullptr}, with_residual,
                            fit_.stages, interruption_);
  }

  void measure() {
    double error = 0, norm = 0;
    for (uint64_t r = 0; r < rows_; ++r) {
      for (uint64_t s = 0; s < cols_; ++s) {
        const uint32_t c = fit_.order[s];
        float q = 0;
        for (const VptqStage& stage : fit_.stages) q += value(stage, r, s);
        const double w = w_[r * cols_ + c];
        const double difference = w - (static_cast<double>(fit_.offsets[c]) + static_cast<double>(fit_.factors[c]) * q);
        error += difference * difference, norm += w * w;
      }
    }
    fit_.relative_error = norm > 0 ? std::sqrt(error / norm) : 0;
  }

  static float value(const VptqStage& stage, uint64_t row, uint64_t s) {
    if (s < stage.col_begin || s >= stage.col_begin + stage.cols) return 0;
    const uint64_t column = s - stage.col_begin, group = column / stage.group_cols;
    const uint64_t index = stage.indices[row / stage.length * stage.cols + column];
    return stage.codebook[((group << stage.bits) + index) * stage.length + row % stage.length];
  }

  const VptqOptions& options_;
  std::span<const float> w_;
  uint64_t cols_, rows_;
  std::span<const double> triangle_;
  const Interruption& interruption_;
  std::vector<float> x_, left_;  // [row][stored column]: in [0, 1]; what is left to quantize
  std::vector<float> importance_;
  std::optional<HessianFactor> factor_;
  VptqFit fit_;
};

}  // namespace

std::vector<VptqStage> vptq_stages(const VptqOptions& options, uint64_t cols) {
  uint64_t outliers = ceil_div(cols * options.outliers.percent, 100);
  while ((cols - outliers) % options.groups != 0) ++outliers;
  std::vector<VptqStage> stages;
  const auto add = [&](unsigned length, unsigned bits, uint64_t begin, uint64_t count, uint64_t groups) {
    VptqStage& s = stages.emplace_back();
    s.length = length, s.bits = bits, s.col_begin = begin, s.cols = count, s.group_cols = count / groups;
  };
  for (int stage = 0; stage < (options.residual ? 2 : 1); ++stage)
    add(options.length, options.bits, outliers, cols - outliers, options.groups);
  if (outliers != 0) add(options.outliers.length, options.outliers.bits, 0, outliers, 1);
  return stages;
}

Result<VptqFit> fit_vptq(const VptqOptions& options, std::span<const float> weights, uint64_t cols,
                         std::span<const double> triangle, const Interruption& interruption) {
  return Vptq(options, weights, cols, triangle, interruption).run();
}

}  // namespace tern
