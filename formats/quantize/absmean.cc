#include "formats/quantize/absmean.h"

#include <cmath>

namespace tern {

void AbsMean::add(std::span<const float> values) {
  for (float v : values) sum_ += std::fabs(static_cast<double>(v));
  count_ += values.size();
}

float AbsMean::gamma() const {
  constexpr float kSmallest = 1e-5f;
  const float mean = count_ == 0 ? 0.f : static_cast<float>(sum_ / static_cast<double>(count_));
  return mean < kSmallest ? kSmallest : mean;
}

void absmean_trits(std::span<const float> values, float gamma, std::span<int8_t> trits) {
  for (size_t i = 0; i < values.size(); ++i) {
    const float ratio = values[i] / gamma;
    // Half rounds to even, that is to 0: only what is beyond a half becomes 1.
    trits[i] = static_cast<int8_t>((ratio > 0.5f) - (ratio < -0.5f));
  }
}

}  // namespace tern
