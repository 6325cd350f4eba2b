#include "runtime/eval/statistics.h"

#include <algorithm>

#include "base/math.h"

namespace tern {

double quantile(std::vector<double>& values, double q) {
  std::sort(values.begin(), values.end());
  const double at = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (values[above] - values[below]) * (at - static_cast<double>(below));
}

double negative_log_likelihood(std::span<const float> logits, int32_t target) {
  double largest = logits[0];
  for (float v : logits) largest = std::max(largest, static_cast<double>(v));
  double sum = 0;
  for (float v : logits) sum += exp64(v - largest);
  return log64(sum) - (logits[static_cast<size_t>(target)] - largest);
}

}  // namespace tern
