// Packs one source matrix into vectors along the input axis: first codebooks from a sample of its rows
// (formats/quantize/vq.h), then blocks of rows as MatrixPacker takes them, with error feedback (vq_feedback.h) if there
// is a Hessian.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/status.h"
#include "formats/import/convert_plan.h"
#include "formats/quantize/hessian_factor.h"
#include "formats/quantize/vq.h"

namespace tern {

class VectorPacker {
 public:
  // What feedback needs. factor: of plan.hessian in the order of plan.columns, null if there is none. settled: of every
  // row the errors of the columns that the factor has before those of the plan.
  struct Feedback {
    std::shared_ptr<const HessianFactor> factor;
    std::span<const float> settled;  // must outlive the packer
  };

  // Reads the sample and trains. REQUIRES plan.vq.
  static Result<VectorPacker> create(const MatrixPlan& plan, Feedback feedback, const Interruption& interruption);
  // Bytes that packing a matrix needs at most, the factor included.
  static uint64_t working_bytes(const VqOptions& options, uint64_t rows, uint64_t cols, unsigned threads);

  uint64_t rows() const { return plan_->source->rows; }
  uint64_t block_rows() const;  // whole tiles, as many as fit a few MiB
  // Rows [begin, begin + count), begin a multiple of block_rows; codes() and scales() then hold their bytes.
  Status pack(uint64_t begin, uint64_t count);
  const std::vector<std::byte>& codes() const { return codes_; }
  const std::vector<std::byte>& scales() const { return scales_; }
  double relative_error() const;  // Frobenius, over what was packed so far
  // Of outliers with feedback, once all rows are packed: what Feedback::settled of the other columns is to be.
  std::vector<float> take_errors() { return std::move(errors_); }

  static Encoding codebook_encoding();
  std::vector<std::byte> codebook() const;         // in that encoding
  static std::vector<std::byte> codebook_scale();  // 1

 private:
  VectorPacker(const MatrixPlan& plan, Layout layout, Feedback feedback)
      : plan_(&plan), layout_(layout), feedback_(std::move(feedback)) {}
  uint64_t first_col() const { return plan_->columns ? plan_->columns->begin() : 0; }  // in the factor
  FactorBlock factor() const;
  Status train(const Interruption& interruption);
  std::vector<float> training_importance() const;
  Status read_sample(std::vector<VqSample>& samples) const;
  void choose(uint64_t count);
  void choose_with_feedback(uint64_t begin, uint64_t count);
  std::vector<float> carried(uint64_t row, uint64_t count) const;
  Status add_up(uint64_t begin, uint64_t count);
  void pack_codes(uint64_t begin, uint64_t count);
  void pack_scales(uint64_t count);

  const MatrixPlan* plan_;
  Layout layout_;
  Feedback feedback_;
  VqBook book_;
  std::vector<float> values_, decoded_, scale_values_;
  std::vector<uint16_t> indices_;  // [plane][row][position]
  std::vector<std::byte> codes_, scales_;
  std::vector<float> errors_;
  double error_ = 0, norm_ = 0;
};

}  // namespace tern
