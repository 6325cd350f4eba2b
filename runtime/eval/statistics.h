// Sums and spreads of what an evaluation measures. All in double, in the order in which values come, with
// base/math.h: the same digits on every machine.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace tern {

// Mean and variance of a stream (Welford 1962).
struct Moments {
  uint64_t count = 0;
  double mean = 0, squares = 0;  // squares: sum of squared distances from the mean
  void add(double x) {
    const double before = x - mean;
    mean += before / static_cast<double>(++count);
    squares += before * (x - mean);
  }
  // Of the mean, values taken as independent; 0 for fewer than two.
  double standard_error() const {
    return count < 2 ? 0 : std::sqrt(squares / static_cast<double>(count - 1) / static_cast<double>(count));
  }
};

// Quantile q (0 to 1) of values, interpolated between neighbours as numpy does by default. Sorts them. REQUIRES some.
double quantile(std::vector<double>& values, double q);

// -log softmax(logits)[target]. Not finite if the logits are not.
double negative_log_likelihood(std::span<const float> logits, int32_t target);

}  // namespace tern
