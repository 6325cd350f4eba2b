// Every ISA's element kernels against the scalar table, bit for bit, and the scalar table against double arithmetic.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/half.h"
#include "base/math.h"
#include "kernels/simd/exp_lanes.h"
#include "kernels/simd/f32x16_scalar.h"
#include "tests/kernels/elements_case.h"

namespace tern {
namespace {

// Calls body(table, n, kind, random) for every table, every size near lane multiples, normal and extreme values.
template <class Body>
void for_each_case(Body body) {
  Random random(7);
  for (const ElementKernels* table : tables()) {
    for (const Values kind : {Values::normal, Values::extreme}) {
      for (uint64_t n = 1; n <= 83; ++n) body(*table, n, kind, random);
      for (const uint64_t n : {127, 128, 129, 255, 1000, 4099}) body(*table, n, kind, random);
    }
  }
}

}  // namespace

TEST_CASE("elements: the list ends with scalar and selection follows features") {
  CHECK(std::string(scalar().isa) == "scalar");
  CHECK(scalar().needs == 0);
  CHECK(std::string(select_elements(0).isa) == "scalar");
#if defined(__x86_64__)
  CHECK(std::string(select_elements(cpu_avx2).isa) == "avx2");
  CHECK(std::string(select_elements(cpu_avx2 | cpu_avx512).isa) == "avx512");
#elif defined(__aarch64__)
  CHECK(std::string(select_elements(cpu_neon).isa) == "neon");
#endif
}

TEST_CASE("elements: every ISA equals scalar on vectors") {
  for_each_case([](const ElementKernels& t, uint64_t n, Values kind, Random& random) {
    INFO(t.isa << " n=" << n);
    const size_t shift = random.below(2);
    const std::vector<float> x = draw_many(random, n, kind), w = draw_many(random, n, kind);
    Guarded<float> y(n, shift), expected(n, shift);
    const auto compare = [&] { return same(y.data(), expected.data(), n) && y.intact() && expected.intact(); };

    t.rms_norm(x.data(), w.data(), 1e-5f, n, y.data());
    scalar().rms_norm(x.data(), w.data(), 1e-5f, n, expected.data());
    CHECK(compare());
    t.rms_norm(x.data(), nullptr, 0.f, n, y.data());
    scalar().rms_norm(x.data(), nullptr, 0.f, n, expected.data());
    CHECK(compare());
    std::memcpy(y.data(), x.data(), n * sizeof(float));
    t.rms_norm(y.data(), nullptr, 0.f, n, y.data());
    CHECK(compare());
    t.silu_mul(x.data(), w.data(), n, y.data());
    scalar().silu_mul(x.data(), w.data(), n, expected.data());
    CHECK(compare());
    t.relu2_mul(x.data(), w.data(), n, y.data());
    scalar().relu2_mul(x.data(), w.data(), n, expected.data());
    CHECK(compare());
    if (const uint64_t half = n / 2; half != 0) {
      t.complex_relu2_mul(x.data(), w.data(), half, half, y.data());
      scalar().complex_relu2_mul(x.data(), w.data(), half, half, expected.data());
      CHECK(compare());
    }
    std::memcpy(y.data(), w.data(), n * sizeof(float));
    std::memcpy(expected.data(), w.data(), n * sizeof(float));
    t.add(x.data(), n, y.data());
    scalar().add(x.data(), n, expected.data());
    CHECK(compare());
    Guarded<uint16_t> h(n, shift);
    t.to_f16(x.data(), n, h.data());
    CHECK(h.intact());
    for (uint64_t i = 0; i < n; ++i) CHECK(h.data()[i] == f32_to_f16(x[i]));
  });
}

TEST_CASE("elements: f32 to f16 rounds to even at every boundary between two halves") {
  std::vector<float> x;
  for (uint32_t h = 0; h < 0x7c00; ++h) {
    const float middle = (f16_to_f32(uint16_t(h)) + (h + 1 < 0x7c00 ? f16_to_f32(uint16_t(h + 1)) : 65536.f)) / 2;
    const uint32_t bits = std::bit_cast<uint32_t>(middle);  // exact: halves have 11 bits
    for (uint32_t b : {bits - 1, bits, bits + 1}) x.push_back(std::bit_cast<float>(b));
  }
  for (size_t i = 0, n = x.size(); i < n; ++i) x.push_back(-x[i]);
  for (const ElementKernels* t : tables()) {
    std::vector<uint16_t> h(x.size());
    t->to_f16(x.data(), x.size(), h.data());
    size_t wrong = 0;
    for (size_t i = 0; i < x.size(); ++i) wrong += h[i] != f32_to_f16(x[i]);
    INFO(t->isa);
    CHECK(wrong == 0);
  }
}

TEST_CASE("elements: int8 rounding equals its formula on every ISA") {
  for_each_case([](const ElementKernels& t, uint64_t cols, Values kind, Random& random) {
    const uint64_t group_cols = random.below(2) == 0 ? cols : 1 + random.below(cols);
    const uint64_t groups = (cols + group_cols - 1) / group_cols;
    const uint64_t padded = (group_cols + 15) / 16 * 16;
    INFO(t.isa << " cols=" << cols << " group=" << group_cols);
    const std::vector<float> x = draw_many(random, cols, kind);
    Guarded<int8_t> codes(groups * padded);
    Guarded<float> scales(groups);
    Guarded<int32_t> sums(groups);
    t.quantize_int8(x.data(), cols, groups, group_cols, padded, codes.data(), scales.data(), sums.data());
    CHECK((codes.intact() && scales.intact() && sums.intact()));
    for (uint64_t g = 0; g < groups; ++g) {
      float m = 1e-5f;
      const uint64_t end = std::min(cols, (g + 1) * group_cols);
      for (uint64_t i = g * group_cols; i < end; ++i) m = std::max(m, std::fabs(x[i]));
      const float inverse = 127.f / m;
      int32_t sum = 0;
      bool equal = true;
      for (uint64_t j = 0; j < padded; ++j) {
        const uint64_t i = g * group_cols + j;
        const int code = i < end ? static_cast<int>(std::nearbyint(x[i] * inverse)) : 0;
        equal = equal && codes.data()[g * padded + j] == code;
        sum += code;
      }
      CHECK(equal);
      CHECK(sums.data()[g] == sum);
      CHECK(same(scales.data()[g], m / 127.f));
    }
  });
}

TEST_CASE("elements: rounding to int8 takes the even code at a half") {
  for (const ElementKernels* t : tables()) {
    const float x[] = {127.f, 0.5f, 1.5f, -0.5f, -1.5f, 2.5f, -126.5f, -125.5f};
    int8_t codes[16];
    float scale;
    int32_t sum;
    t->quantize_int8(x, 8, 1, 8, 16, codes, &scale, &sum);
    const int8_t expected[16] = {127, 0, 2, 0, -2, 2, -126, -126};
    CHECK(std::memcmp(codes, expected, 16) == 0);
    CHECK(sum == 127 + 0 + 2 + 0 - 2 + 2 - 126 - 126);
  }
}

TEST_CASE("elements: rope of both pairings equals scalar and the rotation formula") {
  Random random(11);
  for (const ElementKernels* t : tables()) {
    for (uint64_t d = 2; d <= 140; d += 2) {
      INFO(t->isa << " d=" << d);
      std::vector<float> cos(d / 2), sin(d / 2);
      for (uint64_t i = 0; i < d / 2; ++i) {
        const double angle = random.normal() * 10;
        cos[i] = static_cast<float>(std::cos(angle)), sin[i] = static_cast<float>(std::sin(angle));
      }
      const std::vector<float> x = draw_many(random, d, Values::normal);
      for (const bool interleaved : {false, true}) {
        Guarded<float> y(d), expected(d);
        std::memcpy(y.data(), x.data(), d * 4), std::memcpy(expected.data(), x.data(), d * 4);
        (interleaved ? t->rope_interleaved : t->rope_halves)(y.data(), cos.data(), sin.data(), d);
        (interleaved ? scalar().rope_interleaved : scalar().rope_halves)(expected.data(), cos.data(), sin.data(), d);
        CHECK(same(y.data(), expected.data(), d));
        CHECK(y.intact());
        for (uint64_t i = 0; i < d / 2; ++i) {
          const uint64_t a = interleaved ? 2 * i : i, b = interleaved ? 2 * i + 1 : i + d / 2;
          const double re = double(x[a]) * cos[i] - double(x[b]) * sin[i];
          const double im = double(x[b]) * cos[i] + double(x[a]) * sin[i];
          // Three roundings of terms no larger than |a| + |b|.
          const double bound = 3 * 0x1p-24 * (std::fabs(x[a]) + std::fabs(x[b])) + 1e-44;
          CHECK(std::fabs(y.data()[a] - re) <= bound);
          CHECK(std::fabs(y.data()[b] - im) <= bound);
        }
      }
    }
  }
}

TEST_CASE("elements: exp in lanes has the bits of exp32") {
  using V = simd::F32x16<simd::Scalar>;
  Random random(3);
  for (int round = 0; round < 20000; ++round) {
    float x[16], y[16];
    for (float& v : x) v = round % 2 == 0 ? random.normal() * 40 : std::bit_cast<float>(uint32_t(random.next()));
    simd::exp_lanes(V::load(x)).store(y);
    bool equal = true;
    for (int i = 0; i < 16; ++i) equal = equal && same(y[i], exp32(x[i]));
    REQUIRE(equal);
  }
}

TEST_CASE("elements: norm and gates agree with double arithmetic") {
  Random random(5);
  for (uint64_t n : {1, 3, 16, 100, 1000}) {
    const std::vector<float> x = draw_many(random, n, Values::normal), w = draw_many(random, n, Values::normal);
    std::vector<float> y(n);
    double squares = 0;
    for (float v : x) squares += double(v) * v;
    scalar().rms_norm(x.data(), w.data(), 1e-6f, n, y.data());
    // The sum of positive terms: at most n/16 + 5 roundings; then mean, + eps, sqrt (halves), 1 /, two products.
    const double bound = ((n / 16.0 + 8) / 2 + 4) * 0x1p-24;
    for (uint64_t i = 0; i < n; ++i) {
      const double expected = x[i] / std::sqrt(squares / n + double(1e-6f)) * w[i];
      CHECK(std::fabs(y[i] - expected) <= bound * std::fabs(expected));
    }
    scalar().silu_mul(x.data(), w.data(), n, y.data());
    for (uint64_t i = 0; i < n; ++i) {
      const double expected = x[i] / (1 + std::exp(-double(x[i]))) * w[i];
      CHECK(std::fabs(y[i] - expected) <= 6 * 0x1p-24 * std::fabs(expected));  // exp: 2 ulp; three operations
    }
    scalar().relu2_mul(x.data(), w.data(), n, y.data());
    for (uint64_t i = 0; i < n; ++i) {
      const double g = std::max(0.f, x[i]);
      CHECK(std::fabs(y[i] - g * g * w[i]) <= 2 * 0x1p-24 * std::fabs(g * g * w[i]));
    }
    const uint64_t half = n / 2;
    scalar().complex_relu2_mul(x.data(), w.data(), half, half, y.data());
    for (uint64_t i = 0; i < half; ++i) {
      const bool off = x[i] < 0 && x[half + i] < 0;
      const double re = off ? 0 : double(x[i]) * x[i], im = off ? 0 : double(x[half + i]) * x[half + i];
      const double bound = 3 * 0x1p-24 * (re + im) * (std::fabs(w[i]) + std::fabs(w[half + i]));
      CHECK(std::fabs(y[i] - (re * w[i] + im * w[half + i])) <= bound);
      CHECK(std::fabs(y[half + i] - (re * w[half + i] - im * w[i])) <= bound);
    }
  }
}

}  // namespace tern
