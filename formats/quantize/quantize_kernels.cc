#include "formats/quantize/quantize_kernels.h"

#include <algorithm>
#include <cmath>

namespace tern {
namespace {

constexpr unsigned kRun = 256;  // entries whose errors stay in the first cache

// Of entries [0, count) behind centers.
void run_errors(const float* x, const float* weights, unsigned length, const float* centers, unsigned entries,
                unsigned count, float* errors) {
  std::fill_n(errors, count, 0.f);
  for (unsigned i = 0; i < length; ++i) {
    const float* values = centers + uint64_t{i} * entries;
    for (unsigned k = 0; k < count; ++k) {
      const float difference = x[i] - values[k];
      errors[k] += weights[i] * (difference * difference);
    }
  }
}

unsigned nearest(const float* x, const float* weights, unsigned length, const float* centers, unsigned entries,
                 float* error) {
  unsigned at = 0;
  float least = INFINITY, errors[kRun];
  for (unsigned first = 0; first < entries; first += kRun) {
    const unsigned count = std::min(kRun, entries - first);
    run_errors(x, weights, length, centers + first, entries, count, errors);
    for (unsigned k = 0; k < count; ++k) {
      if (errors[k] < least) least = errors[k], at = first + k;
    }
  }
  if (error) *error = least;
  return at;
}

void all_errors(const float* x, const float* weights, unsigned length, const float* centers, unsigned entries,
                float* errors) {
  run_errors(x, weights, length, centers, entries, entries, errors);
}

void lower(const float* x, const float* weights, unsigned length, uint64_t stride, uint64_t vectors, const float* entry,
           float* errors) {
  for (uint64_t v = 0; v < vectors; ++v) {
    float sum = 0;
    for (unsigned i = 0; i < length; ++i) {
      const float difference = x[i * stride + v] - entry[i];
      sum += weights[i * stride + v] * (difference * difference);
    }
    errors[v] = std::min(errors[v], sum);
  }
}

void add_rows(const float* rows, uint64_t stride, uint64_t count, const float* factors, uint64_t n, float* y) {
  for (uint64_t j = 0; j < count; ++j)
    for (uint64_t k = 0; k < n; ++k) y[k] += factors[j] * rows[j * stride + k];
}

}  // namespace

const QuantizeKernels kPlainKernels{nearest, all_errors, lower, add_rows};

}  // namespace tern
