#include "runtime/model/rope_table.h"

#include "base/math.h"

namespace tern {
namespace {

double scaled(double frequency, const ModelConfig& c) {
  const double divided = frequency / c.rope_factor;
  if (c.rope_scaling == RopeScaling::linear) return divided;
  constexpr double kTwoPi = 6.283185307179586;
  const double turns = c.rope_trained_context * frequency / kTwoPi;
  if (turns > c.rope_high_frequency) return frequency;
  if (turns < c.rope_low_frequency) return divided;
  const double low = c.rope_low_frequency, high = c.rope_high_frequency;
  const double kept = (turns - low) / (high - low);
  return (1 - kept) * divided + kept * frequency;
}

}  // namespace

std::vector<double> rope_frequencies(const ModelConfig& config) {
  std::vector<double> frequencies(config.head_dim / 2);
  const double log_base = log64(config.rope_base);
  for (uint32_t i = 0; i < config.head_dim / 2; ++i) {
    const double frequency = exp64(-log_base * (2.0 * i / config.head_dim));
    frequencies[i] = config.rope_scaling == RopeScaling::none ? frequency : scaled(frequency, config);
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
