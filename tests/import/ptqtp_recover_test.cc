// Planes of PTQTP out of dense sums (formats/quantize/ptqtp_recover.h, formats/import/plane_matrix.h).
#include "formats/quantize/ptqtp_recover.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "base/half.h"
#include "base/random.h"
#include "formats/import/convert.h"
#include "formats/tern/reader.h"
#include "tests/import/fixtures.h"

using namespace tern;
using namespace tern::test;

namespace {

float stored_as(FloatType type, double v) {
  const float f = static_cast<float>(v);
  if (type == FloatType::f16) return f16_to_f32(f32_to_f16(f));
  return type == FloatType::bf16 ? bf16_to_f32(f32_to_bf16(f)) : f;
}

struct Sums {
  float a1, a2;
  std::vector<int8_t> t1, t2;
  std::vector<float> weights;
};

// Random planes, their sums rounded to `type`.
Sums sums(FloatType type, float a1, float a2, size_t n, Random& random) {
  Sums s{a1, a2, {}, {}, {}};
  for (size_t i = 0; i < n; ++i) {
    s.t1.push_back(static_cast<int8_t>(static_cast<int>(random.below(3)) - 1));
    s.t2.push_back(static_cast<int8_t>(static_cast<int>(random.below(3)) - 1));
    s.weights.push_back(stored_as(type, double{a1} * s.t1[i] + double{a2} * s.t2[i]));
  }
  return s;
}

struct Recovered {
  bool found = false;
  std::vector<int8_t> trits;
  float scales[2] = {NAN, NAN};

  Recovered(const std::vector<float>& w, FloatType type, FloatType scale_type) : trits(2 * w.size(), 9) {
    found = PlaneRecovery(type, scale_type).recover(w, trits.data(), w.size(), scales);
  }
  double value(size_t i) const {
    return double{scales[0]} * trits[i] + double{scales[1]} * trits[trits.size() / 2 + i];
  }
};

// Every weight, from what was recovered.
void check_weights(const Recovered& r, const std::vector<float>& w, FloatType type) {
  REQUIRE(r.found);
  for (size_t i = 0; i < w.size(); ++i) REQUIRE(stored_as(type, r.value(i)) == w[i]);
}

}  // namespace

TEST_CASE("ptqtp recovery: planes and scales come back", "[ptqtp]") {
  Random random(3);
  for (const FloatType type : {FloatType::f16, FloatType::bf16, FloatType::f32}) {
    for (int round = 0; round < 400; ++round) {
      // Both orders of a2 and a1 - a2, and the ratios that the method finds (about 1.5).
      const float ratio = 1.05f + 3.f * static_cast<float>(random.below(1000)) / 1000.f;
      const float a2 = f16_to_f32(f32_to_f16(0.001f * (1 + static_cast<float>(random.below(100)))));
      const float a1 = f16_to_f32(f32_to_f16(a2 * ratio));
      if (std::fabs(a1 / a2 - 2) < 0.02f) continue;
      const Sums s = sums(type, a1, a2, 128, random);
      // A bf16 sum leaves a choice of scales, and f16 may not hold the one that is found.
      const bool choice = type == FloatType::bf16;
      const Recovered r(s.weights, type, choice ? FloatType::f32 : FloatType::f16);
      INFO("scales " << a1 << " " << a2);
      check_weights(r, s.weights, type);
      if (choice) continue;
      CHECK(r.scales[0] == a1);
      CHECK(r.scales[1] == a2);
      CHECK(std::equal(s.t1.begin(), s.t1.end(), r.trits.begin()));
      CHECK(std::equal(s.t2.begin(), s.t2.end(), r.trits.begin() + 128));
    }
  }
}

TEST_CASE("ptqtp recovery: scales that were f32 before the sums were rounded", "[ptqtp]") {
  Random random(4);
  int f16_is_enough = 0;
  for (int round = 0; round < 400; ++round) {
    const float a2 = 0.01f + 0.0001f * static_cast<float>(random.below(1000));
    const float a1 = a2 * (1.3f + 0.0005f * static_cast<float>(random.below(1000)));
    const Sums s = sums(FloatType::f16, a1, a2, 128, random);
    check_weights(Recovered(s.weights, FloatType::f16, FloatType::f32), s.weights, FloatType::f16);
    f16_is_enough += Recovered(s.weights, FloatType::f16, FloatType::f16).found;
  }
  CHECK(f16_is_enough > 20);
  CHECK(f16_is_enough < 380);
}

TEST_CASE("ptqtp recovery: few magnitudes", "[ptqtp]") {
  const float a = 0.1328125f, b = 0.08984375f;
  for (const std::vector<float>& w :
       {std::vector<float>{0, -0.f}, {a, -a, 0}, {a, b}, {-a - b, 0}, {a + b, a - b}, {a, a - b, -b}}) {
    check_weights(Recovered(w, FloatType::f16, FloatType::f16), w, FloatType::f16);
  }
  const Recovered zeros({0.f, -0.f}, FloatType::f16, FloatType::f16);
  CHECK(zeros.scales[0] + zeros.scales[1] == 0);
  CHECK(zeros.trits == std::vector<int8_t>(4, 0));
  const Recovered single({a, -a, 0}, FloatType::f16, FloatType::f16);  // all in plane 0
  CHECK(single.trits == std::vector<int8_t>{1, -1, 0, 0, 0, 0});
}

TEST_CASE("ptqtp recovery: what is no sum of planes", "[ptqtp]") {
  Random random(6);
  const auto refused = [](const std::vector<float>& w) {
    return !Recovered(w, FloatType::f16, FloatType::f16).found && !Recovered(w, FloatType::f16, FloatType::f32).found;
  };
  CHECK(refused({1, 2, 3, 4, 5}));  // five magnitudes
  CHECK(refused({1, 2, 3, 6}));     // four, no such scales
  CHECK(refused({1, 10, 100}));     // three
  Sums s = sums(FloatType::f16, 0.1328125f, 0.08984375f, 128, random);
  REQUIRE_FALSE(refused(s.weights));
  for (float& w : s.weights)
    if (std::fabs(w) > 0.2f) w = w < 0 ? w - 0.001f : w + 0.001f;  // the sums moved away
  CHECK(refused(s.weights));
}

namespace {

constexpr int kGroup = 32;

// A checkpoint of f16 matrices whose every group of 32 columns is a sum of planes, q_proj and k_proj apart.
Checkpoint dense_release(Random& random) {
  CheckpointSpec spec;
  spec.hidden = 72, spec.ffn = 96, spec.heads = 6, spec.kv_heads = 2, spec.vocab = 37;
  Checkpoint checkpoint(spec);
  for (auto& [name, tensor] : checkpoint.tensors) {
    if (name.find("_proj.weight") == std::string::npos || name.find("q_proj") != std::string::npos ||
        name.find("k_proj") != std::string::npos)
      continue;
    std::string data;
    for (uint64_t row = 0; row < tensor.shape[0]; ++row) {
      for (uint64_t at = 0; at < tensor.shape[1]; at += kGroup) {
        const float a2 = f16_to_f32(f32_to_f16(0.001f * (1 + static_cast<float>(random.below(100)))));
        const float a1 = f16_to_f32(f32_to_f16(a2 * 1.5f));
        for (const float w :
             sums(FloatType::f16, a1, a2, std::min<uint64_t>(kGroup, tensor.shape[1] - at), random).weights) {
          const uint16_t half = f32_to_f16(w);
          data.append(reinterpret_cast<const char*>(&half), 2);
        }
      }
    }
    tensor = {"F16", tensor.shape, data};
  }
  return checkpoint;
}

ConvertOptions recover_options(uint32_t group = kGroup) {
  ConvertOptions options;
  options.weights = WeightChoice::ptqtp_recover;
  options.ptqtp_group = group;
  return options;
}

}  // namespace

TEST_CASE("ptqtp recovery: a dense release becomes planes, what was dense stays dense", "[ptqtp][convert]") {
  Random random(8);
  const Checkpoint checkpoint = dense_release(random);
  auto source = checkpoint.import();
  INFO(source.status().message());
  REQUIRE(source.ok());
  const auto report = convert(*source, recover_options(), checkpoint.folder.path("m.tern"));
  INFO(report.status().message());
  REQUIRE(report.ok());
  for (const TensorReport& line : report->tensors) {
    if (!line.name.starts_with("blocks.") || line.rows == 1) continue;
    INFO(line.name << " " << line.encoding);
    const bool dense = line.name.ends_with("attn.q") || line.name.ends_with("attn.k");
    CHECK(dense == (line.encoding.find("2 planes") == std::string::npos));
    CHECK(dense == line.exact);
    CHECK(line.relative_error < 3e-4);  // f16 roundings of the release itself
  }
}

TEST_CASE("ptqtp recovery: a damaged release is refused by name", "[ptqtp][convert]") {
  Random random(9);
  Checkpoint checkpoint = dense_release(random);
  PlainTensor& up = checkpoint.tensors.at("model.layers.1.mlp.up_proj.weight");
  for (uint64_t c = 0; c < 8; ++c) {  // eight more magnitudes in one group
    const uint16_t half = f32_to_f16(3.f + static_cast<float>(c));
    std::memcpy(up.data.data() + (5 * up.shape[1] + 32 + c) * 2, &half, 2);
  }
  auto source = checkpoint.import();
  REQUIRE(source.ok());
  const auto report = convert(*source, recover_options(), checkpoint.folder.path("m.tern"));
  says(report.status().message(), "model.layers.1.mlp.up_proj.weight");
  says(report.status().message(), "row 5, column 32");

  const Checkpoint dense{CheckpointSpec()};
  auto ordinary = dense.import();
  REQUIRE(ordinary.ok());
  says(convert(*ordinary, recover_options(128), dense.folder.path("m.tern")).status().message(),
       "no dense release of PTQTP");
}
