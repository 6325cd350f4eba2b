// Vector quantization along the input axis: weighted k-means (k_means.h) on vectors of rows of root mean square 1. The
// error of a value counts as its column's importance, the diagonal of a Hessian as in VPTQ (arXiv 2409.17066); further
// codebooks are trained on what the ones before leave. Codebooks are int8, with codes so small that the products of a
// vector with int8 activations sum up within int16. Deterministic for a seed; threads (OpenMP) change nothing.
// With the whole Hessian rows are quantized by vq_feedback.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/progress.h"
#include "base/status.h"
#include "formats/encoding/encoding.h"
#include "formats/quantize/outliers.h"
#include "formats/quantize/quantize_kernels.h"

namespace tern {

inline constexpr unsigned kMaxVqPlanes = 3;

// How entries come about. hessian: by k-means, columns weighed by their importance, where it is known; plain: all
// alike; none: every value of an entry takes one of 2^(bits / length) evenly spaced levels, so a vector's index is its
// values rounded to nearest, with a step that is fitted to each row.
enum class VqTraining : uint8_t { hessian, plain, none };

struct VqOptions {
  uint8_t length = 4, bits = 8, planes = 1;  // values of a vector; of an index, 1..8; codebooks
  uint32_t groups = 1;                       // column groups with codebooks of their own
  VqTraining training = VqTraining::hessian;
  bool feedback = false;    // errors are passed on to later columns (vq_feedback.h), where a Hessian is known
  OutlierOptions outliers;  // columns with one codebook of their own (formats/import/outlier_columns.h)
  uint64_t seed = 1;
  const QuantizeKernels* kernels = &kPlainKernels;

  bool operator==(const VqOptions&) const = default;
};

// Refuses options that make no sense.
Status check_vq(const VqOptions& options);

// Largest magnitude of a code: code * 127 * length < 2^15, and at most 127.
int vq_largest_code(unsigned length);

// Of the outlier columns of a matrix of `cols`: how many, whole vectors; how they are quantized.
uint64_t vq_outlier_cols(const VqOptions& options, uint64_t cols);
VqOptions vq_of_outliers(const VqOptions& options);

// Columns of a group: of equal groups, a multiple of the length.
uint64_t vq_group_cols(const VqOptions& options, uint64_t cols);

struct VqBook {
  VqOptions options;
  uint64_t group_cols;         // that share codebooks
  std::vector<int8_t> codes;   // [column group][plane][2^bits][length]
  std::vector<float> factors;  // of a plane: value = factor * code, of rows of root mean square 1

  unsigned entries() const { return 1u << options.bits; }
  // The values as [column group][plane][value][entry].
  std::vector<float> centers() const;
  // Where those of the group that serves a position begin.
  size_t group_at(uint64_t position) const;
};

// What a codebook is trained on: [n][length] each.
struct VqSample {
  std::vector<float> vectors, importance;
};

// samples: of every column group of a matrix of `cols` columns; they are changed. REQUIRES finite values, importance >=
// 0, options that check_vq passes.
Result<VqBook> train_vq(const VqOptions& options, uint64_t cols, std::span<VqSample> samples,
                        const Interruption& interruption = {});

// Chooses the indices of one vector, to[plane * plane_stride]: the planes in turn, each for what the others leave,
// twice over. centers: [plane][value][entry].
void choose_entries(const VqBook& book, const float* x, const float* weights, const float* centers, uint16_t* to,
                    uint64_t plane_stride);

// Chooses indices for rows; one thread at a time, memory is set aside when it is made.
class VqAssigner {
 public:
  VqAssigner(const VqBook& book, uint64_t cols);

  // importance: of every column, or empty. indices: [plane][position] with plane_stride, scales: [planes] as stored in
  // f16: w ~ sum over planes of scale_p * code_p. One factor fits all scales to the row. decoded: the row as readers
  // decode it. A row of zeros has scales 0.
  void assign(std::span<const float> row, std::span<const float> importance, uint16_t* indices, uint64_t plane_stride,
              std::span<float> scales, std::span<float> decoded);
  // What a row is divided by before its entries are looked up; 0 of a row of zeros.
  float unit(std::span<const float> row, std::span<const float> importance, uint16_t* indices, uint64_t plane_stride);

 private:
  double fit(uint16_t* indices, uint64_t plane_stride);

  const VqBook& book_;
  std::vector<float> centers_, x_, h_;
};

// The scales of a row, unit * fit * factor of the plane in f16, and the row that they decode to.
void store_vq_row(const VqBook& book, double unit, const uint16_t* indices, uint64_t plane_stride,
                  std::span<float> scales, std::span<float> decoded);

}  // namespace tern
