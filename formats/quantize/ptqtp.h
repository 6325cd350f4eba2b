// PTQTP, post-training quantization to trit planes (arXiv 2509.16989, Algorithm 1): every group of weights becomes
// w ~ sum over planes of a_k t_k, t_k in {-1, 0, 1}, by turns of a ridge regression for the scales and the best trits.
//
// Start: all trits sign(w), sign(0) = 1. Turn: M = S'S + lambda I, lambda raised while M is ill-conditioned (from 1e-8,
// by sqrt(kappa / 1e12), up to 1); M a = S'w; then every weight takes the nearest of the 3^K sums. Equally near
// sums: fewer non-zero trits first, then the tuple (t_1, .. t_K) that comes first in the order 0, 1, -1.
// Ends after 50 turns or when a moves less than 1e-4 and a thousandth of its length (the paper: the first alone, which
// never holds tiny weights to anything). Then signs go from the scales into the trits, the scales are
// rounded as they are stored, and the trits chosen once more for these.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "formats/encoding/encoding.h"

namespace tern {

inline constexpr unsigned kMaxPtqtpPlanes = 3;

struct PtqtpOptions {
  unsigned planes = 2;  // 1..kMaxPtqtpPlanes
  // a_1 = 3 s, a_2 = s: one s of 65 between max|w| / 5.25 and max|w| / 3.25, whose nine levels are evenly
  // spaced ("Tied Trit-Planes", arXiv 2608.08910). Two planes only. s keeps nine bits, so that 3 s is exact in f16.
  bool tied = false;
  FloatType scale_type = FloatType::f16;
};

// Fits groups of at most `columns` weights; one thread. Memory is set aside when it is made.
class PtqtpFitter {
 public:
  PtqtpFitter(const PtqtpOptions& options, size_t columns);

  // Weight i of plane p gets trits[p * plane_stride + i]; scales: [planes], as stored, never negative. `importance`:
  // empty, or one factor >= 0 of the squared error for every weight (the diagonal of a Hessian). A group of zeros has
  // scales and trits 0. REQUIRES finite weights; a scale is infinite when scale_type cannot hold it, trits then 0.
  void fit(std::span<const float> weights, std::span<const float> importance, int8_t* trits, size_t plane_stride,
           std::span<float> scales);

 private:
  PtqtpOptions options_;
  std::vector<double> weights_, importance_;  // padded with weights of no importance
};

}  // namespace tern
