// Vector quantization along the input axis: weighted k-means (Lloyd 1982; starts by k-means++, Arthur and Vassilvitskii
// 2007) on vectors of rows of root mean square 1. The error of a value counts as its column's importance, the diagonal of
// a Hessian as in VPTQ (arXiv 2409.17066); further codebooks are trained on what the ones before leave. Codebooks are int8,
// with codes so small that the products of a vector with int8 activations sum up within int16. Deterministic for a seed;
// threads (OpenMP) change nothing.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "formats/encoding/encoding.h"

namespace tern {

inline constexpr unsigned kMaxVqPlanes = 3;

struct VqOptions {
  uint8_t length = 4, bits = 8, planes = 1;  // values of a vector; of an index, 1..8; codebooks
  uint64_t seed = 1;
};

// Largest magnitude of a code: code * 127 * length < 2^15, and at most 127.
int vq_largest_code(unsigned length);

struct VqBook {
  VqOptions options;
  std::vector<int8_t> codes;   // [plane][2^bits][length]
  std::vector<float> factors;  // of a plane: value = factor * code, of rows of root mean square 1
};

// vectors: [n][length], importance the same or empty. REQUIRES finite values, importance >= 0, options in range.
VqBook train_vq(const VqOptions& options, std::span<const float> vectors, std::span<const float> importance);

// Chooses indices for rows; one thread at a time, memory is set aside when it is made.
class VqAssigner {
 public:
  VqAssigner(const VqBook& book, uint64_t cols);

  // importance: of every column, or empty. indices: [plane][position] with plane_stride, scales: [planes] as stored in
  // f16: w ~ sum over planes of scale_p * code_p. The planes' indices take turns twice; then one factor fits all scales
  // to the row. decoded: the row as readers decode it. A row of zeros has scales 0.
  void assign(std::span<const float> row, std::span<const float> importance, uint16_t* indices, uint64_t plane_stride,
              std::span<float> scales, std::span<float> decoded);

 private:
  void choose(uint64_t position, uint16_t* indices, uint64_t plane_stride);

  const VqBook& book_;
  std::vector<float> centers_;  // [plane][value][entry], scaled by the plane's factor
  std::vector<float> x_, h_, distances_;
};

}  // namespace tern
