// Accuracy of base/math.h against double or, for its double functions, long double, and one pinned hash per function: the same bits everywhere.
#include "base/math.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/exp32_constants.h"

using namespace tern;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr double kInf64 = std::numeric_limits<double>::infinity();

// Distance to the reference in units of the last place of a float of the reference's size.
double ulps(float y, double reference) {
  const int exponent = std::max(std::ilogb(reference), -126);
  return std::fabs(y - reference) / std::ldexp(1.0, exponent - 23);
}

template <class Visit>  // floats from a to b (same sign), every stride-th bit pattern
void sweep(float a, float b, uint32_t stride, Visit visit) {
  const uint32_t first = std::bit_cast<uint32_t>(a), last = std::bit_cast<uint32_t>(b);
  for (uint64_t bits = first; bits <= last; bits += stride) visit(std::bit_cast<float>(static_cast<uint32_t>(bits)));
}

struct Hash {  // FNV-1a
  uint64_t value = 0xcbf29ce484222325u;
  template <class T>
  void add(T x) {
    unsigned char bytes[sizeof(T)];
    std::memcpy(bytes, &x, sizeof(T));
    for (const unsigned char byte : bytes) value = (value ^ byte) * 0x100000001b3u;
  }
};

bool is_quiet_nan(float y) { return std::bit_cast<uint32_t>(y) == 0x7fc00000u; }
bool is_quiet_nan(double y) { return std::bit_cast<uint64_t>(y) == 0x7ff8000000000000u; }

// exp32 as base/exp32_constants.h words it.
float exp32_as_documented(float x) {
  namespace k = exp32_constants;
  const float t = std::fma(x, k::log2_e, k::magic), n = t - k::magic;
  const float r = std::fma(n, -k::ln2_low, std::fma(n, -k::ln2_high, x));
  float p = k::c[0];
  for (int i = 1; i <= 6; ++i) p = std::fma(p, r, k::c[i]);
  return std::bit_cast<float>(std::bit_cast<uint32_t>(p) + (std::bit_cast<uint32_t>(t) << 23));
}

}  // namespace

TEST_CASE("exp32 is within 2 ulp over its whole range") {
  double worst = 0;
  Hash hash;
  const auto visit = [&](float x) {
    const float y = exp32(x);
    worst = std::max(worst, ulps(y, std::exp(double{x})));
    hash.add(y);
  };
  sweep(1e-10f, 88.7f, 1009, visit);
  sweep(-1e-10f, -87.3f, 1009, visit);
  INFO("worst " << worst << " ulp");
  CHECK(worst < 2);
  CHECK(hash.value == 0x358f8795588c8e75u);
}

TEST_CASE("exp32 at its edges") {
  CHECK(exp32(0.0f) == 1.0f);
  CHECK(exp32(-0.0f) == 1.0f);
  CHECK(exp32(-87.3f) > 0.0f);
  CHECK(std::isnormal(exp32(-87.3f)));
  CHECK(std::isfinite(exp32(88.7f)));
  CHECK(ulps(exp32(-87.3f), std::exp(static_cast<long double>(-87.3f))) < 2);
  CHECK(ulps(exp32(88.7f), std::exp(static_cast<long double>(88.7f))) < 2);
  for (const float low : {std::nextafter(-87.3f, -kInf), -100.0f, -1e30f, -kInf}) {
    CHECK(std::bit_cast<uint32_t>(exp32(low)) == 0);
  }
  for (const float high : {std::nextafter(88.7f, kInf), 100.0f, 1e30f, kInf}) CHECK(exp32(high) == kInf);
  for (const uint32_t nan : {0x7fc00000u, 0xffc00000u, 0x7f800001u, 0x7fffffffu, 0xff812345u}) {
    CHECK(is_quiet_nan(exp32(std::bit_cast<float>(nan))));
  }
}

TEST_CASE("exp32 never decreases between neighbours that are a step apart") {
  float before = 0;
  bool ordered = true;
  for (float x = -87.0f; x < 88.0f; x += 0x1p-10f) {
    const float y = exp32(x);
    ordered = ordered && y > before;
    before = y;
  }
  CHECK(ordered);
}

TEST_CASE("exp32 follows its documented steps bit for bit") {
  bool same = true;
  sweep(1e-6f, 88.7f, 30011, [&](float x) { same = same && exp32(x) == exp32_as_documented(x); });
  sweep(-1e-6f, -87.3f, 30011, [&](float x) { same = same && exp32(x) == exp32_as_documented(x); });
  CHECK(same);
}

TEST_CASE("log32 is within 2 ulp on positive floats") {
  double worst = 0;
  Hash hash;
  const auto visit = [&](float x) {
    const float y = log32(x);
    worst = std::max(worst, ulps(y, std::log(double{x})));
    hash.add(y);
  };
  sweep(std::numeric_limits<float>::denorm_min(), std::numeric_limits<float>::max(), 2003, visit);
  sweep(0.7f, 1.5f, 11, visit);  // around log 1 = 0, where errors show
  INFO("worst " << worst << " ulp");
  CHECK(worst < 2);
  CHECK(hash.value == 0xa9c4c622e41538fbu);
}

TEST_CASE("log32 at its edges") {
  CHECK(std::bit_cast<uint32_t>(log32(1.0f)) == 0);
  CHECK(log32(0.0f) == -kInf);
  CHECK(log32(-0.0f) == -kInf);
  CHECK(log32(kInf) == kInf);
  CHECK(is_quiet_nan(log32(-1.0f)));
  CHECK(is_quiet_nan(log32(-kInf)));
  CHECK(is_quiet_nan(log32(std::bit_cast<float>(0xff812345u))));
}

TEST_CASE("sin64 and cos64 are within 1e-12 for |x| < 2^20") {
  long double worst = 0;
  Hash hash;
  const auto visit = [&](double x) {
    worst = std::max(worst, std::fabs(sin64(x) - std::sin(static_cast<long double>(x))));
    worst = std::max(worst, std::fabs(cos64(x) - std::cos(static_cast<long double>(x))));
    hash.add(sin64(x));
    hash.add(cos64(-x));
  };
  for (double x = 0; x < 0x1p20; x += 10.7310912345) visit(x);
  for (double x = 0; x < 20; x += 0.00031) visit(x);
  for (int n = 0; n < 667000; n += 37) {  // where the reduction cancels most
    const double x = n * 1.5707963267948966;
    visit(x);
    visit(std::nextafter(x, 0.0));
  }
  visit(std::nextafter(0x1p20, 0.0));
  CHECK(worst < 1e-12L);
  CHECK(worst < 4e-16L);  // what the method gives; a lost reduction term would show here first
  CHECK(hash.value == 0xff516f0a118079a2u);
}

TEST_CASE("sin64 and cos64: symmetry, exact points, range") {
  CHECK(sin64(0.0) == 0.0);
  CHECK(cos64(0.0) == 1.0);
  for (double x = 0.01; x < 1000; x *= 1.37) {
    CHECK(sin64(-x) == -sin64(x));
    CHECK(cos64(-x) == cos64(x));
  }
  for (const double x : {0x1p20, -0x1p20, 1e300, kInf64, -kInf64, std::nan("")}) {
    CHECK(is_quiet_nan(sin64(x)));
    CHECK(is_quiet_nan(cos64(x)));
  }
}

TEST_CASE("exp64 and log64 are within 1e-14 relative") {
  long double worst_exp = 0, worst_log = 0;
  Hash hash;
  for (double x = -708; x <= 709; x += 0.00713) {
    const long double reference = std::exp(static_cast<long double>(x));
    worst_exp = std::max(worst_exp, std::fabs((exp64(x) - reference) / reference));
    hash.add(exp64(x));
  }
  const auto visit_log = [&](double x) {
    const long double reference = std::log(static_cast<long double>(x));
    worst_log = std::max(worst_log, std::fabs((log64(x) - reference) / reference));
    hash.add(log64(x));
  };
  for (double x = 5e-324; x < 1e308; x *= 1.0131) {
    visit_log(x);
    if (x < 1e-320) x += 1e-321;  // grow out of the smallest subnormals
  }
  for (double x = 0.5; x < 2; x += 0.0000371) visit_log(x);
  CHECK(worst_exp < 1e-14L);
  CHECK(worst_log < 1e-14L);
  CHECK(hash.value == 0xa49dbab697b7b12au);
}

TEST_CASE("exp64 and log64 at their edges") {
  CHECK(exp64(0.0) == 1.0);
  CHECK(exp64(-708.5) == 0.0);
  CHECK(exp64(-kInf64) == 0.0);
  CHECK(exp64(709.5) == kInf64);
  CHECK(exp64(kInf64) == kInf64);
  CHECK(is_quiet_nan(exp64(-std::nan("0x123"))));
  CHECK(log64(1.0) == 0.0);
  CHECK(log64(0.0) == -kInf64);
  CHECK(log64(kInf64) == kInf64);
  CHECK(is_quiet_nan(log64(-1.0)));
  CHECK(is_quiet_nan(log64(std::nan("0x123"))));
}

TEST_CASE("round_half_even32 rounds ties to even and never gives -0") {
  for (int n = -1000; n < 1000; ++n) {
    const float tie = static_cast<float>(n) + 0.5f;
    CHECK(round_half_even32(tie) == static_cast<float>(n % 2 == 0 ? n : n + 1));
    CHECK(round_half_even32(static_cast<float>(n) + 0.25f) == static_cast<float>(n));
    CHECK(round_half_even32(static_cast<float>(n) + 0.75f) == static_cast<float>(n + 1));
  }
  CHECK(std::bit_cast<uint32_t>(round_half_even32(-0.3f)) == 0);
  CHECK(round_half_even32(4194303.5f) == 4194304.0f);
  CHECK(round_half_even32(-4194302.5f) == -4194302.0f);
}

TEST_CASE("fma32 rounds once") {
  const float a = 1.0f + 0x1p-12f;  // a * a = 1 + 2^-11 + 2^-24: the last bit lives only in a fused product
  CHECK(fma32(a, a, -(1.0f + 0x1p-11f)) == 0x1p-24f);
}
