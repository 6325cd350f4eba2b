// Rows of weights that are quantized column after column, each with the errors of the columns before passed on to it
// (GPTQ, arXiv 2210.17323), by vectors of columns as in GPTVQ (arXiv 2402.15319) or one column at a time as in VPTQ
// (arXiv 2409.17066). With R of hessian_factor.h and errors e = w - q, the loss of a row is the squared length of e R;
// its values for columns B depend on e_B and on what is settled: e_B R_BB + carried_B. So the caller takes the q_B
// with the smallest such values, in order.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "formats/quantize/hessian_factor.h"
#include "formats/quantize/quantize_kernels.h"

namespace tern {

class ErrorFeedback {
 public:
  // For at most `rows` rows at once, settled `width` columns at a time (the last time perhaps fewer). Memory: 8 bytes a
  // value. The factor and the kernels must live longer. One thread at a time.
  ErrorFeedback(const FactorBlock& r, uint64_t rows, uint64_t width, const QuantizeKernels& kernels);

  void start(uint64_t rows);
  // carried(i)[k]: for column k of row i, the sum of errors of settled columns j times R(j, k). Up to date for the
  // columns that are next. Zeros at the start, or what the caller writes there of columns before the block.
  float* carried(uint64_t i) { return &carried_[i * r_.cols()]; }
  // To be written before settle().
  float* errors(uint64_t i) { return &errors_[i * r_.cols()]; }
  // The errors of columns [begin, end) of all rows stand: the next `width` columns.
  void settle(uint64_t begin, uint64_t end);

 private:
  FactorBlock r_;
  const QuantizeKernels& kernels_;
  uint64_t rows_ = 0, block_;  // columns that are passed on to what lies behind them together
  std::vector<float> carried_, errors_;
};

// out = x R, rows of r.cols() values.
void multiply_by_factor(const FactorBlock& r, std::span<const float> x, std::span<float> out,
                        const QuantizeKernels& kernels);

}  // namespace tern
