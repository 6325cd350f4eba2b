// Every ISA's element kernels against the scalar table, bit for bit, and the scalar table against double arithmetic.
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/half.h"
#include "base/math.h"
#include "base/random.h"
#include "kernels/attention/attention.h"
#include "kernels/dispatch/dispatch.h"
#include "kernels/simd/exp_lanes.h"
#include "kernels/simd/f32x16_scalar.h"

namespace tern {
namespace {

constexpr uint8_t kGuard = 0xa5;

// A buffer of n values with guard bytes behind it, at an odd alignment when `shift` is 1.
template <class T>
struct Guarded {
  std::vector<uint8_t> bytes;
  size_t n, shift;
  explicit Guarded(size_t n, size_t shift = 0) : bytes((n + shift) * sizeof(T) + 64, kGuard), n(n), shift(shift) {}
  T* data() { return reinterpret_cast<T*>(bytes.data()) + shift; }
  bool intact() const {
    for (size_t i = (n + shift) * sizeof(T); i < bytes.size(); ++i) {
      if (bytes[i] != kGuard) return false;
    }
    for (size_t i = 0; i < shift * sizeof(T); ++i) {
      if (bytes[i] != kGuard) return false;
    }
    return true;
  }
};

enum class Values { normal, extreme };

float draw(Random& random, Values kind) {
  static const float extremes[] = {0.f,    -0.f,    1e-45f, -1e-40f, 1.17549435e-38f, 3.4e38f, -3.4e38f,
                                   1e-20f, 65504.f, -1e20f, 88.8f,   -87.4f,          0.5f,    1.5f};
  if (kind == Values::extreme && random.below(3) == 0) return extremes[random.below(std::size(extremes))];
  return random.normal();
}

std::vector<float> draw_many(Random& random, size_t n, Values kind) {
  std::vector<float> x(n);
  for (float& v : x) v = draw(random, kind);
  return x;
}

// Equal bits; any NaN equals any NaN (their payloads are the hardware's own business).
bool same(float a, float b) { return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) || (a != a && b != b); }

bool same(const float* a, const float* b, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    if (!same(a[i], b[i])) return false;
  }
  return true;
}

std::vector<const ElementKernels*> tables() {
  std::vector<const ElementKernels*> usable;
  const CpuFeatures features = detect_cpu().features;
  for (const ElementKernels& t : element_kernels()) {
    if ((t.needs & ~features) == 0) usable.push_back(&t);
  }
  return usable;
}

const ElementKernels& scalar() { return element_kernels().back(); }

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
  }
}

namespace {

struct Cache {
  std::vector<std::byte> keys, values;  // [count][d]
  std::vector<double> k, v;             // what they hold
};

void store(std::vector<std::byte>& bytes, std::vector<double>& held, FloatType type, float x) {
  const size_t at = bytes.size();
  if (type == FloatType::f32) {
    bytes.resize(at + 4);
    std::memcpy(&bytes[at], &x, 4);
    held.push_back(x);
  } else {
    const uint16_t h = f32_to_f16(x);
    bytes.resize(at + 2);
    std::memcpy(&bytes[at], &h, 2);
    held.push_back(f16_to_f32(h));
  }
}

Cache draw_cache(Random& random, uint64_t n, FloatType key_type, FloatType value_type) {
  Cache c;
  for (uint64_t i = 0; i < n; ++i) {
    store(c.keys, c.k, key_type, random.normal());
    store(c.values, c.v, value_type, random.normal());
  }
  return c;
}

}  // namespace

TEST_CASE("elements: attention equals scalar on every ISA and softmax in double") {
  Random random(13);
  const uint64_t dims[] = {1, 6, 8, 15, 16, 17, 32, 48, 64, 80, 96, 128, 200};
  for (const ElementKernels* t : tables()) {
    for (const uint64_t d : dims) {
      for (const FloatType key_type : {FloatType::f32, FloatType::f16}) {
        for (const FloatType value_type : {FloatType::f32, FloatType::f16}) {
          const uint64_t positions = 1 + random.below(100);
          INFO(t->isa << " d=" << d << " positions=" << positions);
          const std::vector<float> q = draw_many(random, d, Values::normal);
          const Cache cache = draw_cache(random, positions * d, key_type, value_type);
          const float scale = 1.f / std::sqrt(float(d));
          const auto run = [&](const ElementKernels& kernels, Guarded<float>& acc) {
            std::memset(acc.data(), 0, d * 4);
            AttentionState state{-std::numeric_limits<float>::infinity(), 0.f, acc.data()};
            for (uint64_t b = 0; b < positions; b += kCacheBlock) {
              kernels.attend_block(state, q.data(), cache.keys.data() + b * d * float_bytes(key_type),
                                   cache.values.data() + b * d * float_bytes(value_type), key_type, value_type, d,
                                   std::min<uint64_t>(kCacheBlock, positions - b), scale);
            }
            return state;
          };
          Guarded<float> acc(d), expected(d);
          const AttentionState a = run(*t, acc), e = run(scalar(), expected);
          CHECK(same(acc.data(), expected.data(), d));
          CHECK((same(a.max, e.max) && same(a.sum, e.sum)));
          CHECK((acc.intact() && expected.intact()));

          std::vector<double> p(positions);
          double sum = 0;
          for (uint64_t j = 0; j < positions; ++j) {
            double dot = 0;
            for (uint64_t i = 0; i < d; ++i) dot += q[i] * cache.k[j * d + i];
            sum += p[j] = std::exp(dot * scale);
          }
          for (uint64_t i = 0; i < d; ++i) {
            double out = 0;
            for (uint64_t j = 0; j < positions; ++j) out += p[j] / sum * cache.v[j * d + i];
            // |scores| < 16: their error is below 16 * (d/16 + 8) * 2^-24 < 2e-5; the rest is smaller. |v| < 6.
            CHECK(std::fabs(acc.data()[i] / a.sum - out) < 6 * 4e-5);
          }
        }
      }
    }
  }
}

TEST_CASE("elements: every f16 value enters attention exactly, and extremes agree on every ISA") {
  Random random(17);
  std::vector<uint16_t> halves;
  for (uint32_t h = 0; h < 65536; ++h) {
    if ((h & 0x7c00) != 0x7c00) halves.push_back(uint16_t(h));
  }
  const uint64_t d = halves.size();
  const std::vector<float> zeros(d);
  const std::vector<uint16_t> keys(d);
  for (const ElementKernels* t : tables()) {
    std::vector<float> acc(d);
    AttentionState state{-std::numeric_limits<float>::infinity(), 0.f, acc.data()};
    t->attend_block(state, zeros.data(), reinterpret_cast<const std::byte*>(keys.data()),
                    reinterpret_cast<const std::byte*>(halves.data()), FloatType::f16, FloatType::f16, d, 1, 1.f);
    CHECK(state.sum == 1.f);
    bool equal = true;
    for (uint64_t i = 0; i < d; ++i) equal = equal && acc[i] == f16_to_f32(halves[i]);
    CHECK(equal);

    for (int round = 0; round < 50; ++round) {
      const uint64_t n = 1 + random.below(90), count = 1 + random.below(kCacheBlock);
      const std::vector<float> q = draw_many(random, n, Values::extreme);
      const std::vector<float> k = draw_many(random, n * count, Values::extreme);
      const std::vector<float> v = draw_many(random, n * count, Values::extreme);
      std::vector<float> a(n), b(n);
      AttentionState sa{-std::numeric_limits<float>::infinity(), 0.f, a.data()}, sb = sa;
      sb.accumulator = b.data();
      t->attend_block(sa, q.data(), reinterpret_cast<const std::byte*>(k.data()),
                      reinterpret_cast<const std::byte*>(v.data()), FloatType::f32, FloatType::f32, n, count, 0.125f);
      scalar().attend_block(sb, q.data(), reinterpret_cast<const std::byte*>(k.data()),
                            reinterpret_cast<const std::byte*>(v.data()), FloatType::f32, FloatType::f32, n, count,
                            0.125f);
      CHECK((same(sa.max, sb.max) && same(sa.sum, sb.sum) && same(a.data(), b.data(), n)));
    }
  }
}

}  // namespace tern
