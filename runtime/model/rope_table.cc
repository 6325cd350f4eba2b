#include "runtime/model/rope_table.h"

#include "base/math.h"

namespace tern {

std::vector<double> rope_frequencies(double base, uint32_t head_dim) {
  std::vector<double> frequencies(head_dim / 2);
  const double log_base = log64(base);
  for (uint32_t i = 0; i < head_dim / 2; ++i) {
    frequencies[i] = exp64(-log_base * (2.0 * i / head_dim));
  }
  return frequencies;
}

void rope_angles(std::span<const double> frequencies, uint32_t position, float* cos, float* sin) {
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double angle = position * frequencies[i];
    cos[i] = static_cast<float>(cos64(angle));
    sin[i] = static_cast<float>(sin64(angle));
  }
}

}  // namespace tern
