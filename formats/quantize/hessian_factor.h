// The factor R of a layer's Hessian H = R R^T, R upper triangular. For an error e of a row of weights, e H e^T is the
// sum of (e R)_k^2, and column k of e R depends on columns 0..k of e alone: so columns can be quantized in order, each
// with what the ones before leave it (formats/quantize/error_feedback.h). R is the inverse of the Cholesky factor of
// the inverse that GPTQ (arXiv 2210.17323) works with, so nothing is inverted; QuIP (arXiv 2307.13304) shows that both
// pass on the same errors.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/progress.h"
#include "base/status.h"

namespace tern {

class HessianFactor {
 public:
  // triangle: H, the lower half row after row, at any scale. H is divided by its mean diagonal and a hundredth is added
  // to the diagonal, GPTQ's damping. order: column k of the factor is column order[k] of H; empty: as they are.
  // Sums are made in double in ascending order, with any number of threads (OpenMP); R is kept in f32.
  // Memory: 4 n^2 bytes. Fails if H is not finite or has no positive diagonal.
  static Result<HessianFactor> create(std::span<const double> triangle, std::span<const uint32_t> order = {},
                                      const Interruption& interruption = {});

  uint64_t cols() const { return cols_; }
  const float* row(uint64_t i) const { return &values_[i * cols_]; }  // below the diagonal: zeros
  float* row(uint64_t i) { return &values_[i * cols_]; }
  // R becomes the factor of diag(s) H diag(s).
  void scale(std::span<const float> s);

 private:
  explicit HessianFactor(uint64_t cols) : cols_(cols), values_(cols * cols) {}

  uint64_t cols_;
  std::vector<float> values_;
};

// Rows and columns [begin, end) of R, counted from begin: what the loss of these columns depends on, once the columns
// before them are settled. The factor must live longer.
class FactorBlock {
 public:
  FactorBlock(const HessianFactor& r) : FactorBlock(r, 0, r.cols()) {}
  FactorBlock(const HessianFactor& r, uint64_t begin, uint64_t end) : r_(&r), begin_(begin), cols_(end - begin) {}
  uint64_t cols() const { return cols_; }
  const float* row(uint64_t i) const { return r_->row(begin_ + i) + begin_; }
  uint64_t stride() const { return r_->cols(); }  // from row to row

 private:
  const HessianFactor* r_;
  uint64_t begin_, cols_;
};

// Columns n of a triangle of n (n + 1) / 2 values; 0: it is none.
uint64_t triangle_cols(uint64_t values);

}  // namespace tern
