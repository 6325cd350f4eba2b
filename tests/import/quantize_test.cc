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
