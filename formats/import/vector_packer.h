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
  // Reads the sample and trains. factor: of plan.hessian, null if there is none. REQUIRES plan.vq.
  static Result<VectorPacker> create(const MatrixPlan& plan, std::shared_ptr<const HessianFactor> factor,
                                     const Interruption& interruption);
  // Bytes that packing a matrix needs at most, the factor included.
  static uint64_t working_bytes(const VqOptions& options, uint64_t rows, uint64_t cols, unsigned threads);

  uint64_t rows() const { return plan_->source->rows; }
  uint64_t block_rows() const;  // whole tiles, as many as fit a few MiB
  // Rows [begin, begin + count), begin a multiple of block_rows; codes() and scales() then hold their bytes.
  Status pack(uint64_t begin, uint64_t count);
  const std::vector<std::byte>& codes() const { return codes_; }
  const std::vector<std::byte>& scales() const { return scales_; }
  double relative_error() const;  // Frobenius, over what was packed so far

  static Encoding codebook_encoding();
  std::vector<std::byte> codebook() const;         // in that encoding
  static std::vector<std::byte> codebook_scale();  // 1

 private:
  VectorPacker(const MatrixPlan& plan, Layout layout, std::shared_ptr<const HessianFactor> factor)
      : plan_(&plan), layout_(layout), factor_(std::move(factor)) {}
  Status train(const Interruption& interruption);
  std::vector<float> training_importance() const;
  Status read_sample(std::vector<VqSample>& samples) const;
  void choose(uint64_t count);
  void choose_with_feedback(uint64_t count);
  Status add_up(uint64_t begin, uint64_t count);
  void pack_codes(uint64_t begin, uint64_t count);
  void pack_scales(uint64_t count);

  const MatrixPlan* plan_;
  Layout layout_;
  std::shared_ptr<const HessianFactor> factor_;
  VqBook book_;
  std::vector<float> values_, decoded_, scale_values_;
  std::vector<uint16_t> indices_;  // [plane][row][position]
  std::vector<std::byte> codes_, scales_;
  double error_ = 0, norm_ = 0;
};

}  // namespace tern
