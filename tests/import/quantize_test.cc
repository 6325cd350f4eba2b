#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "base/half.h"
#include "base/random.h"
#include "formats/quantize/absmean.h"
#include "formats/quantize/recognise_ternary.h"
#include "formats/quantize/round_to_nearest.h"

using namespace tern;

TEST_CASE("absmean follows the definition", "[quantize]") {
  Random random(3);
  std::vector<float> w(1000);
  double sum = 0;
  for (float& v : w) {
    v = random.normal();
    sum += std::fabs(v);
  }
  AbsMean mean;
  mean.add(std::span(w).first(300));
  mean.add(std::span(w).subspan(300));
  CHECK(mean.gamma() == static_cast<float>(sum / 1000));
  std::vector<int8_t> t(w.size());
  absmean_trits(w, mean.gamma(), t);
  for (size_t i = 0; i < w.size(); ++i) {
    const float rounded = std::nearbyint(w[i] / mean.gamma());
    CHECK(t[i] == std::min(1.f, std::max(-1.f, rounded)));
  }
  CHECK(AbsMean().gamma() == 1e-5f);

  const std::vector<float> ties = {0.5f, -0.5f, std::nextafter(0.5f, 1.f), 1.5f, -100.f, 0.f};
  std::vector<int8_t> codes(ties.size());
  absmean_trits(ties, 1.f, codes);
  CHECK(codes == std::vector<int8_t>{0, 0, 1, 1, -1, 0});
}

TEST_CASE("round to nearest: scale first, codes after", "[quantize]") {
  Random random(5);
  for (FloatType type : {FloatType::f32, FloatType::f16, FloatType::bf16}) {
    for (float size : {1.f, 1e-4f, 3e-6f, 1000.f}) {
      std::vector<float> w(64);
      for (float& v : w) v = size * random.normal();
      std::vector<int8_t> q(64);
      const float scale = round_to_nearest_int8(w, type, q);
      if (type == FloatType::f16) CHECK(f16_to_f32(f32_to_f16(scale)) == scale);
      if (type == FloatType::bf16) CHECK(bf16_to_f32(f32_to_bf16(scale)) == scale);
      for (size_t i = 0; i < w.size(); ++i) {
        // Half a step, and a hair for the rounding of the quotient.
        CHECK(std::fabs(w[i] - scale * q[i]) <= 0.5f * scale * 1.00002f);
        CHECK(q[i] >= -127);
      }
    }
  }
  std::vector<int8_t> q = {1, 2};
  CHECK(round_to_nearest_int8(std::vector<float>{0, 0}, FloatType::f16, q) == 0);
  CHECK(q == std::vector<int8_t>{0, 0});
  CHECK(std::isinf(round_to_nearest_int8(std::vector<float>{1e30f, 1}, FloatType::f16, q)));
}

namespace {

double squared_error(const std::vector<float>& w, float scale, int low, int high) {
  double sum = 0;
  for (const float v : w) {
    const double q = std::min<double>(high, std::max<double>(low, std::nearbyint(v / scale)));
    sum += (v - scale * q) * (v - scale * q);
  }
  return sum;
}

}  // namespace

TEST_CASE("a fitted scale beats the range, and its codes are the nearest", "[quantize]") {
  Random random(6);
  // The gain on Gaussian weights (docs/methods.md): relative error against codes -(h - 1)..h - 1 over max|w|.
  const struct {
    unsigned bits;
    size_t group;
    double most, gain;
  } cases[] = {{4, 32, 0.0825, 0.85}, {6, 64, 0.0230, 0.95}};
  for (const auto& [bits, group, most, gain] : cases) {
    const int h = 1 << (bits - 1);
    double fitted = 0, by_range = 0, norm = 0;
    for (int i = 0; i < 2000; ++i) {
      std::vector<float> w(group);
      float largest = 0;
      for (float& v : w) {
        v = 0.02f * random.normal();
        if (std::fabs(v) > std::fabs(largest)) largest = v;
        norm += static_cast<double>(v) * v;
      }
      std::vector<int8_t> q(group);
      const float scale = round_to_fitted_scale(w, bits, FloatType::f16, q);
      REQUIRE(f16_to_f32(f32_to_f16(scale)) == scale);
      double error = 0;
      for (size_t k = 0; k < group; ++k) {
        REQUIRE(q[k] >= -h);
        REQUIRE(q[k] < h);
        // Another code is no nearer, but for the rounding of the quotient.
        const float distance = std::fabs(w[k] - scale * q[k]);
        if (q[k] > -h && q[k] < h - 1) REQUIRE(distance <= 0.5f * std::fabs(scale) * 1.00002f);
        error += static_cast<double>(distance) * distance;
      }
      // No worse than the first scale of the middle candidate, but for the rounding of the fitted one.
      REQUIRE(error <= 1.01 * squared_error(w, largest / static_cast<float>(-h), -h, h - 1));
      fitted += error;
      const float range = std::fabs(largest) / static_cast<float>(h - 1);
      by_range += squared_error(w, f16_to_f32(f32_to_f16(range)), 1 - h, h - 1);
    }
    INFO(bits << " bits: " << std::sqrt(fitted / norm) << ", by the range " << std::sqrt(by_range / norm));
    CHECK(std::sqrt(fitted / norm) < most);
    CHECK(std::sqrt(fitted / by_range) < gain);
  }
}

TEST_CASE("a fitted scale at the ends of what can be stored", "[quantize]") {
  std::vector<int8_t> q(2);
  CHECK(round_to_fitted_scale(std::vector<float>{0, 0}, 4, FloatType::f16, q) == 0);
  CHECK(q == std::vector<int8_t>{0, 0});
  // On the grid already: exact, the weight of largest magnitude at -8.
  CHECK(round_to_fitted_scale(std::vector<float>{0.5f, -0.25f}, 4, FloatType::f16, q) == -0.0625f);
  CHECK(q == std::vector<int8_t>{-8, 4});
  CHECK(std::isinf(round_to_fitted_scale(std::vector<float>{1e30f, 1}, 4, FloatType::f16, q)));
  CHECK(q == std::vector<int8_t>{0, 0});
  // Below the smallest f16 whatever the scale: zeros, not a division by zero.
  CHECK(round_to_fitted_scale(std::vector<float>{1e-9f, -1e-9f}, 4, FloatType::f16, q) == 0);
  CHECK(q == std::vector<int8_t>{0, 0});
  CHECK(round_to_fitted_scale(std::vector<float>{1e-9f, -1e-9f}, 6, FloatType::bf16, q) < 0);
}

TEST_CASE("ternary matrices are recognised", "[quantize]") {
  const auto recognise = [](const std::vector<std::vector<float>>& rows) {
    TernaryRecogniser r;
    for (const auto& row : rows) {
      if (!r.add_row(row)) break;
    }
    return r;
  };
  const auto one = recognise({{0, 0, 0}, {.5f, -.5f, -0.f}, {0, .5f, 0}});
  CHECK(one.ternary());
  CHECK(one.scope() == ScaleScope::tensor);
  CHECK(one.scales() == std::vector<float>{.5f});
  const auto rows = recognise({{.5f, -.5f, 0}, {0, 0, 0}, {.25f, 0, 0}});
  CHECK(rows.ternary());
  CHECK(rows.scope() == ScaleScope::row);
  CHECK(rows.scales() == std::vector<float>{.5f, 0, .25f});
  CHECK(recognise({{0, 0}, {0, 0}}).all_zero());
  CHECK_FALSE(recognise({{.5f, -.5f, std::nextafter(.5f, 1.f)}}).ternary());
  CHECK_FALSE(recognise({{1, 1}, {1, 2}}).ternary());
}
