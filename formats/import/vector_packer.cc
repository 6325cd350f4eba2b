#include "formats/import/vector_packer.h"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "formats/encoding/int.h"
#include "formats/encoding/values.h"
#include "formats/quantize/vq_feedback.h"

namespace tern {
namespace {

constexpr uint64_t kBlockValues = uint64_t{1} << 20;
constexpr uint64_t kSampleValues = uint64_t{1} << 19;  // that a codebook is trained on

// Every codebook sees as many values.
uint64_t sample_rows(const VqOptions& options, uint64_t rows, uint64_t cols) {
  return std::clamp<uint64_t>(kSampleValues / vq_group_cols(options, cols), 1, rows);
}

}  // namespace

uint64_t VectorPacker::block_rows() const {
  return std::max<uint64_t>(kInputLanes, kBlockValues / plan_->source->cols / kInputLanes * kInputLanes);
}

Result<VectorPacker> VectorPacker::create(const MatrixPlan& plan, Feedback feedback, const Interruption& interruption) {
  TERN_ASSIGN(const Layout layout, layout_of(plan.encoding, plan.source->rows, plan.source->cols));
  VectorPacker packer(plan, layout, std::move(feedback));
  TERN_TRY(packer.train(interruption));
  return packer;
}

Status VectorPacker::train(const Interruption& interruption) {
  std::vector<VqSample> samples(ceil_div(plan_->source->cols, vq_group_cols(*plan_->vq, plan_->source->cols)));
  if (plan_->vq->training != VqTraining::none) TERN_TRY(read_sample(samples));
  TERN_ASSIGN(book_, train_vq(*plan_->vq, plan_->source->cols, samples, interruption));
  return {};
}

FactorBlock VectorPacker::factor() const { return {*feedback_.factor, first_col(), first_col() + plan_->source->cols}; }

// What errors of a column count for in training. With feedback that is what the later columns cannot make up for, the
// diagonal of R_BB R_BB^T (error_feedback.h).
std::vector<float> VectorPacker::training_importance() const {
  if (plan_->vq->training != VqTraining::hessian) return {};
  if (!feedback_.factor) return plan_->importance;
  const FactorBlock r = factor();
  const uint64_t cols = r.cols(), length = plan_->vq->length;
  std::vector<float> importance(cols);
  for (uint64_t c = 0; c < cols; ++c)
    for (uint64_t k = c; k < std::min(cols, c / length * length + length); ++k)
      importance[c] += r.row(c)[k] * r.row(c)[k];
  return importance;
}

// Rows at equal distances, scaled to a root mean square of 1, their last vector filled up with values of no importance.
Status VectorPacker::read_sample(std::vector<VqSample>& samples) const {
  const SourceMatrix& m = *plan_->source;
  const uint64_t length = plan_->vq->length, group = vq_group_cols(*plan_->vq, m.cols);
  const std::vector<float> importance = training_importance();
  const uint64_t count = sample_rows(*plan_->vq, m.rows, m.cols);
  for (uint64_t g = 0; g < samples.size(); ++g) {
    const uint64_t width = align_up(std::min(group, m.cols - g * group), length);
    samples[g].vectors.resize(count * width), samples[g].importance.resize(count * width);
  }
  std::vector<float> row(m.cols);
  for (uint64_t k = 0; k < count; ++k) {
    TERN_TRY(m.read_rows(k * m.rows / count, 1, row));
    double squares = 0;
    for (const float w : row) squares += static_cast<double>(w) * w;
    if (!std::isfinite(squares))
      return invalid_argument(
          fmt::format("tensor '{}' ('{}') holds values that are not finite", m.name, m.source_name));
    const double rms = std::sqrt(squares / static_cast<double>(m.cols));
    for (uint64_t c = 0; c < m.cols && rms > 0; ++c) {
      VqSample& s = samples[c / group];
      const uint64_t at = k * (s.vectors.size() / count) + c % group;
      s.vectors[at] = static_cast<float>(row[c] / rms);
      s.importance[at] = importance.empty() ? 1 : importance[c];
    }
  }
  return {};
}

// ---- blocks of rows ----

void VectorPacker::choose(uint64_t count) {
  const uint64_t cols = plan_->source->cols, positions = vector_positions(plan_->encoding, cols);
  const uint64_t planes = plan_->encoding.planes;
#pragma omp parallel
  {
    VqAssigner assigner(book_, cols);
#pragma omp for schedule(static)
    for (uint64_t r = 0; r < count; ++r) {
      assigner.assign(std::span(values_).subspan(r * cols, cols), plan_->importance, indices_.data() + r * positions,
                      count * positions, std::span(scale_values_).subspan(r * planes, planes),
                      std::span(decoded_).subspan(r * cols, cols));
    }
  }
}

// What the errors of settled columns come to in rows [row, row + count).
std::vector<float> VectorPacker::carried(uint64_t row, uint64_t count) const {
  const uint64_t settled = first_col(), cols = plan_->source->cols;
  std::vector<float> sums(settled == 0 ? 0 : count * cols);
  for (uint64_t r = 0; r < count && settled != 0; ++r) {
    plan_->vq->kernels->add_rows(feedback_.factor->row(0) + settled, feedback_.factor->cols(), settled,
                                 &feedback_.settled[(row + r) * settled], cols, &sums[r * cols]);
  }
  return sums;
}

void VectorPacker::choose_with_feedback(uint64_t begin, uint64_t count) {
  const uint64_t cols = plan_->source->cols, positions = vector_positions(plan_->encoding, cols);
  const uint64_t planes = plan_->encoding.planes;
#pragma omp parallel
  {
    VqFeedback feedback(book_, factor());
#pragma omp for schedule(dynamic)
    for (uint64_t r = 0; r < count; r += kFeedbackRows) {
      const uint64_t rows = std::min(kFeedbackRows, count - r);
      feedback.assign(std::span(values_).subspan(r * cols, rows * cols), carried(begin + r, rows),
                      indices_.data() + r * positions, count * positions,
                      std::span(scale_values_).subspan(r * planes, rows * planes),
                      std::span(decoded_).subspan(r * cols, rows * cols));
    }
  }
  if (!plan_->columns || !plan_->columns->outliers()) return;
  for (uint64_t i = 0; i < values_.size(); ++i) errors_.push_back(values_[i] - decoded_[i]);
}

Status VectorPacker::add_up(uint64_t begin, uint64_t count) {
  const SourceMatrix& m = *plan_->source;
  for (uint64_t r = 0; r < count; ++r) {
    double error = 0, norm = 0;
    for (uint64_t c = r * m.cols; c < (r + 1) * m.cols; ++c) {
      const double difference = static_cast<double>(values_[c]) - decoded_[c];
      error += difference * difference;
      norm += static_cast<double>(values_[c]) * values_[c];
    }
    if (!std::isfinite(error)) {
      return invalid_argument(fmt::format("tensor '{}' ('{}'): row {} holds values beyond the range of {}", m.name,
                                          m.source_name, begin + r, describe(plan_->encoding)));
    }
    error_ += error, norm_ += norm;
  }
  return {};
}

void VectorPacker::pack_codes(uint64_t begin, uint64_t count) {
  const Encoding& e = plan_->encoding;
  const uint64_t cols = plan_->source->cols, positions = vector_positions(e, cols);
  codes_.clear();
  for (uint64_t first = 0; first < count; first += kInputLanes) {
    const uint64_t tile = (begin + first) / kInputLanes, lanes = std::min<uint64_t>(kInputLanes, count - first);
    const size_t at = codes_.size();
    codes_.resize(at + vector_tile_bytes(e, layout_, cols, tile));
    pack_vector_tile(e, layout_, cols, tile, lanes, indices_.data() + first * positions, positions, count * positions,
                     codes_.data() + at);
  }
}

void VectorPacker::pack_scales(uint64_t count) {
  const uint64_t tile_bytes = tile_scale_bytes(plan_->encoding, layout_);
  scales_.clear();
  for (uint64_t first = 0; first < count; first += kTileRows) {
    scales_.resize(scales_.size() + tile_bytes);
    pack_tile_scales(plan_->encoding, layout_, std::min<uint64_t>(kTileRows, count - first),
                     scale_values_.data() + first * plan_->encoding.planes,
                     scales_.data() + scales_.size() - tile_bytes);
  }
}

Status VectorPacker::pack(uint64_t begin, uint64_t count) {
  const uint64_t cols = plan_->source->cols, planes = plan_->encoding.planes;
  values_.resize(count * cols), decoded_.resize(count * cols);
  TERN_TRY(plan_->source->read_rows(begin, count, values_));
  indices_.assign(planes * count * vector_positions(plan_->encoding, cols), 0);
  scale_values_.resize(count * planes);
  feedback_.factor ? choose_with_feedback(begin, count) : choose(count);
  TERN_TRY(add_up(begin, count));
  pack_codes(begin, count);
  pack_scales(count);
  return {};
}

// The sample and its weights, twice, errors and choices; values, decoded, indices, codes; what feedback keeps of its
// rows, what outliers add to that.
uint64_t VectorPacker::working_bytes(const VqOptions& options, uint64_t rows, uint64_t cols, unsigned threads) {
  const uint64_t sample = 24 * sample_rows(options, rows, cols) * align_up(cols, options.length);
  const uint64_t block = 16 * std::max(kBlockValues, kInputLanes * cols);
  if (!options.feedback) return sample + block;
  const uint64_t carried = options.outliers.percent == 0 ? 0 : threads * kFeedbackRows * cols * 4;
  const uint64_t settled = 4 * rows * vq_outlier_cols(options, cols);
  return sample + block + 4 * cols * cols + threads * VqFeedback::working_bytes(cols) + carried + settled;
}

double VectorPacker::relative_error() const {
  if (error_ == 0) return 0;
  return norm_ == 0 ? INFINITY : std::sqrt(error_ / norm_);
}

Encoding VectorPacker::codebook_encoding() {
  Encoding e;
  e.kind = EncodingKind::int_;
  e.bits = 8;
  e.scope = ScaleScope::tensor;
  return e;
}

std::vector<std::byte> VectorPacker::codebook() const {
  const uint64_t length = plan_->vq->length, entries = book_.codes.size() / length;
  const Layout layout = layout_of(codebook_encoding(), entries, length).value();
  std::vector<std::byte> bytes(layout.code_bytes);
  for (uint64_t first = 0; first < entries; first += kTileRows) {
    pack_int_tile(8, layout, std::min<uint64_t>(kTileRows, entries - first), length,
                  book_.codes.data() + first * length, length, bytes.data() + first / kTileRows * layout.tile_bytes);
  }
  return bytes;
}

std::vector<std::byte> VectorPacker::codebook_scale() {
  std::vector<std::byte> bytes(sizeof(float));
  store_float(FloatType::f32, bytes.data(), 0, 1);
  return bytes;
}

}  // namespace tern
