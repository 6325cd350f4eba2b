// BitNet b1.58 weight rounding, "absmean" (arXiv 2402.17764, section 2):
//   gamma = mean |W| over the whole matrix, at least 1e-5;  t = clamp(round_half_even(W / gamma), -1, 1)
#pragma once

#include <cstdint>
#include <span>

namespace tern {

// Collects the mean of |w| of a matrix that is streamed row by row. One thread; the order of add() calls
// is the order of summation, in double.
class AbsMean {
 public:
  void add(std::span<const float> values);
  float gamma() const;

 private:
  double sum_ = 0;
  uint64_t count_ = 0;
};

// REQUIRES gamma > 0, finite values, trits as long as values.
void absmean_trits(std::span<const float> values, float gamma, std::span<int8_t> trits);

}  // namespace tern
