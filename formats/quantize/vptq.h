// VPTQ's quantizer (arXiv 2409.17066, as its published code runs it): vectors along the output axis, `length` rows of
// one column. Columns are brought to [0, 1] by an offset and a factor each and, with a Hessian H, put in the order of
// descending diagonals; the first are outliers with vectors and a codebook of their own. Codebooks come from k-means,
// each vector weighed by its column's H. Then column after column takes its nearest entries, all vectors of a column
// independently for H weighs them alike (the second-order assignment), and with feedback passes its error on to the
// columns after it (error_feedback.h). A residual codebook is trained on what this leaves, and the pass repeated with
// both, the main entry first. Where the published code leaves H as it was, it is scaled here as the columns are: H_ij
// s_i s_j. Deterministic for a seed; threads (OpenMP) change nothing.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/progress.h"
#include "base/status.h"
#include "formats/quantize/outliers.h"
#include "formats/quantize/quantize_kernels.h"

namespace tern {

inline constexpr unsigned kMaxVptqBits = 16, kMaxOutlierBits = 12;  // of an index
inline constexpr uint64_t kVptqRows = 1088;                         // of a run that one thread quantizes, at most
// Vectors that a codebook is trained on, for each entry.
constexpr uint64_t vptq_sample_vectors(unsigned bits) { return bits > 12 ? 8 : 32; }

struct VptqOptions {
  unsigned length = 6, bits = 12;  // of the main vectors
  bool residual = false;           // a second codebook of the same shape
  unsigned groups = 1;             // of columns, each with codebooks of its own
  OutlierOptions outliers;         // as many columns more as let the others fall into equal groups
  bool feedback = false;
  bool int8_codebooks = false;  // instead of f16; columns are then brought to [-1/2, 1/2]
  uint64_t seed = 1;
  const QuantizeKernels* kernels = &kPlainKernels;
};

// One stage: indices into a codebook for each group of columns. vptq_stages() gives their shapes alone.
struct VptqStage {
  unsigned length = 0, bits = 0;
  uint64_t col_begin = 0, cols = 0, group_cols = 0;  // stored columns
  std::vector<float> codebook;                       // [group][2^bits][length], numbers of f16 or scale * codes
  float scale = 1;                                   // of int8 codebooks, one for all groups
  std::vector<int8_t> codes;                         // the same; else empty
  std::vector<uint16_t> indices;                     // [band of length rows][column]
};

struct VptqFit {
  // w[r][order[s]] ~ offset + factor * (sum of the stages at stored column s), offset and factor of column order[s].
  std::vector<float> factors, offsets;  // of every column, numbers of f16
  std::vector<uint32_t> order;          // stored column s is column order[s]
  std::vector<VptqStage> stages;        // main; residual; outliers
  double relative_error = 0;            // Frobenius
};

std::vector<VptqStage> vptq_stages(const VptqOptions& options, uint64_t cols);

// weights: [rows][cols], finite. triangle: the Hessian as in hessian_factor.h, or empty; outliers and feedback need
// one. Memory: for 16 bytes a weight, 4 cols^2 with feedback.
Result<VptqFit> fit_vptq(const VptqOptions& options, std::span<const float> weights, uint64_t cols,
                         std::span<const double> triangle, const Interruption& interruption = {});

}  // namespace tern
