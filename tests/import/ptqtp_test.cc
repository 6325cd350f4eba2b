// The rules of PTQTP (formats/quantize/ptqtp.h), one by one. ptqtp_oracle.py compares whole fits with numpy's.
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "base/half.h"
#include "base/random.h"
#include "formats/quantize/ptqtp.h"

using namespace tern;

namespace {

struct Fit {
  std::vector<int8_t> trits;
  std::vector<float> scales;
  size_t columns;

  double value(size_t i) const {
    double sum = 0;
    for (size_t p = 0; p < scales.size(); ++p) sum += static_cast<double>(scales[p]) * trits[p * columns + i];
    return sum;
  }
};

Fit fit(const std::vector<float>& w, const PtqtpOptions& options, const std::vector<float>& importance = {}) {
  Fit f{std::vector<int8_t>(options.planes * w.size(), 9), std::vector<float>(options.planes, NAN), w.size()};
  PtqtpFitter(options, w.size()).fit(w, importance, f.trits.data(), w.size(), f.scales);
  return f;
}

PtqtpOptions planes(unsigned count, bool tied = false) { return {count, tied, FloatType::f16}; }

std::vector<float> gaussian(size_t n, float deviation, uint64_t seed) {
  Random random(seed);
  std::vector<float> w(n);
  for (float& v : w) v = deviation * random.normal();
  return w;
}

// Relative Frobenius error over `groups` groups of 128 weights.
double relative_error(const PtqtpOptions& options, uint64_t groups) {
  double error = 0, norm = 0;
  for (uint64_t g = 0; g < groups; ++g) {
    const std::vector<float> w = gaussian(128, 0.02f, g + 1);
    const Fit f = fit(w, options);
    for (size_t i = 0; i < w.size(); ++i) {
      error += (w[i] - f.value(i)) * (w[i] - f.value(i));
      norm += static_cast<double>(w[i]) * w[i];
    }
  }
  return std::sqrt(error / norm);
}

// Every sum that the stored scales can make.
std::vector<double> levels_of(const std::vector<float>& scales) {
  std::vector<double> levels{0};
  for (const float s : scales) {
    const std::vector<double> below = levels;
    for (const double l : below) {
      levels.push_back(l + s);
      levels.push_back(l - s);
    }
  }
  return levels;
}

}  // namespace

TEST_CASE("ptqtp: error on Gaussian weights", "[ptqtp]") {
  CHECK(relative_error(planes(2), 400) == Approx(0.165).margin(0.005));
  CHECK(relative_error(planes(2, true), 400) == Approx(0.172).margin(0.005));
  CHECK(relative_error(planes(1), 400) == Approx(0.43).margin(0.01));
  CHECK(relative_error(planes(3), 400) == Approx(0.065).margin(0.005));
}

TEST_CASE("ptqtp: trits are the best ones for the scales as stored", "[ptqtp]") {
  for (const PtqtpOptions& options : {planes(1), planes(2), planes(3), planes(2, true)}) {
    for (uint64_t seed = 1; seed <= 50; ++seed) {
      const std::vector<float> w = gaussian(100, seed % 2 ? 0.02f : 30.f, seed);
      const Fit f = fit(w, options);
      for (const float s : f.scales) {
        CHECK(s >= 0);  // signs live in the trits
        CHECK(f16_to_f32(f32_to_f16(s)) == s);
      }
      for (size_t i = 0; i < w.size(); ++i) {
        double least = INFINITY;
        for (const double level : levels_of(f.scales)) least = std::min(least, std::abs(w[i] - level));
        // Two levels may be equally near; the cut between them is rounded once.
        CHECK(std::abs(w[i] - f.value(i)) <= least * (1 + 1e-9) + 1e-12);
      }
    }
  }
}

TEST_CASE("ptqtp: equally good trits", "[ptqtp]") {
  // All levels apart after the first turn: which plane became the larger one follows from the order of preference
  // alone.
  const Fit f = fit({1.f, -1.f, 0.5f, -0.5f, 0.f, 0.f}, planes(2));
  CHECK(f.value(0) == Approx(1).epsilon(0.01));
  CHECK(f.value(2) == Approx(0.5).epsilon(0.01));
  CHECK(f.trits[4] == 0);  // zero is (0, 0), not (1, -1) of equal scales
  CHECK(f.trits[6 + 4] == 0);
  // One non-zero trit: plane 2 before plane 1. All weights alike, so both scales stay equal and the order decides.
  const Fit same = fit(std::vector<float>(128, 0.25f), planes(2));
  CHECK(same.scales[0] + same.scales[1] == Approx(0.25).epsilon(0.001));
}

TEST_CASE("ptqtp: a group of zeros, a single weight, no range", "[ptqtp]") {
  const Fit zeros = fit(std::vector<float>(40, -0.f), planes(3));
  CHECK(zeros.scales == std::vector<float>(3, 0.f));
  CHECK(zeros.trits == std::vector<int8_t>(120, 0));
  for (unsigned k = 1; k <= 3; ++k) CHECK(fit({-3.f}, planes(k)).value(0) == Approx(-3).epsilon(0.001));
  CHECK(fit({-3.f}, planes(2, true)).value(0) == Approx(-3).epsilon(0.08));
  const Fit huge = fit({1e30f, -1e30f, 1e29f}, planes(2));
  CHECK(std::isinf(huge.scales[0] + huge.scales[1]));
  CHECK(huge.trits == std::vector<int8_t>(6, 0));
}

TEST_CASE("ptqtp: tied scales are 3 to 1 exactly", "[ptqtp]") {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    const Fit f = fit(gaussian(128, 0.02f, seed), planes(2, true));
    CHECK(f.scales[0] == 3 * f.scales[1]);
  }
}

TEST_CASE("ptqtp: importance", "[ptqtp]") {
  std::vector<float> w = gaussian(64, 1, 3);
  const Fit plain = fit(w, planes(2)), ones = fit(w, planes(2), std::vector<float>(64, 1.f));
  CHECK(plain.scales == ones.scales);
  CHECK(plain.trits == ones.trits);
  // What has no importance moves no scale, and still gets its nearest level.
  std::vector<float> importance(65, 1.f);
  importance[64] = 0;
  w.push_back(50);
  const Fit with_outlier = fit(w, planes(2), importance);
  CHECK(with_outlier.scales == plain.scales);
  CHECK(with_outlier.value(64) == Approx(plain.scales[0] + plain.scales[1]));
  // Importance so large that the normal matrix is ill-conditioned: the ridge grows, the fit stays.
  for (const float factor : {1e6f, 1e12f, 1e20f}) {
    const Fit large = fit(gaussian(64, 1, 3), planes(2), std::vector<float>(64, factor));
    CHECK(large.scales[0] == Approx(plain.scales[0]).epsilon(0.01));
    CHECK(large.scales[1] == Approx(plain.scales[1]).epsilon(0.01));
  }
}
