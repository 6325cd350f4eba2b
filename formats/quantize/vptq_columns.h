// The assignment of VPTQ's quantizer (vptq.h): column after column takes its nearest entries, all vectors of a column
// independently, and with a factor passes its error on to the columns after it (error_feedback.h).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/progress.h"
#include "base/status.h"
#include "formats/quantize/hessian_factor.h"
#include "formats/quantize/vptq.h"

namespace tern {

// Weights in stored order.
struct VptqColumns {
  uint64_t rows, cols;
  std::span<const float> values;  // [row][column]
  std::span<float> left;          // the same; becomes what the entries leave of each column as it was to be
  const HessianFactor* factor;    // null: no feedback
};

// Chooses the stages' indices by their codebooks: of outlier columns those of the last stage, of the others the first
// stage's and, with_residual, the second's for what the first leaves. Runs of rows are quantized by threads (OpenMP).
Status quantize_columns(const VptqOptions& options, const VptqColumns& columns, bool with_residual,
                        std::vector<VptqStage>& stages, const Interruption& interruption);

}  // namespace tern
