// Packs one source matrix into vectors along the input axis (formats/quantize/vq.h): first a codebook from a sample of its
// rows, then blocks of rows as MatrixPacker takes them.
#pragma once

#include <cstdint>
#include <vector>

#include "base/status.h"
#include "formats/import/convert_plan.h"
#include "formats/quantize/vq.h"

namespace tern {

class VectorPacker {
 public:
  // Reads the sample and trains. REQUIRES plan.vq.
  static Result<VectorPacker> create(const MatrixPlan& plan);

  uint64_t rows() const { return plan_->source->rows; }
  uint64_t block_rows() const;  // whole tiles, as many as fit a few MiB
  // Rows [begin, begin + count), begin a multiple of block_rows; codes() and scales() then hold their bytes.
  Status pack(uint64_t begin, uint64_t count);
  const std::vector<std::byte>& codes() const { return codes_; }
  const std::vector<std::byte>& scales() const { return scales_; }
  double relative_error() const;  // Frobenius, over what was packed so far

  static Encoding codebook_encoding();
  std::vector<std::byte> codebook() const;        // in that encoding
  static std::vector<std::byte> codebook_scale();  // 1

 private:
  VectorPacker(const MatrixPlan& plan, Layout layout) : plan_(&plan), layout_(layout) {}
  Status train();

  const MatrixPlan* plan_;
  Layout layout_;
  VqBook book_;
  std::vector<float> values_;
  std::vector<std::byte> codes_, scales_;
  double error_ = 0, norm_ = 0;
};

}  // namespace tern
