#include "base/math.h"

#include <bit>
#include <limits>

#include "base/exp32_constants.h"

namespace tern {
namespace {

constexpr double kMagic = 0x1.8p+52;  // 1.5 * 2^52: adding it rounds to an integer, kept in the low bits
constexpr double kLn2High = 0x1.62e42fefa39efp-1, kLn2Low = 0x1.abc9e3b39803fp-56;
constexpr double kHalfPiHigh = 0x1.921fb54442d18p+0, kHalfPiLow = 0x1.1a62633145c07p-54;
constexpr float kNan32 = std::numeric_limits<float>::quiet_NaN();
constexpr double kNan64 = std::numeric_limits<double>::quiet_NaN();
constexpr float kInf32 = std::numeric_limits<float>::infinity();
constexpr double kInf64 = std::numeric_limits<double>::infinity();

double fma64(double a, double b, double c) { return __builtin_fma(a, b, c); }

constexpr double reciprocal_factorial(int n) {
  double f = 1;
  for (int i = 2; i <= n; ++i) f *= i;  // exact up to 22!
  return 1 / f;
}

// Horner over 1/n! with alternating signs, in z = r^2: terms first, first + 2, ..., last (Taylor).
template <int first, int last>
double alternating_taylor(double z) {
  double p = 0;
  for (int n = last; n >= first; n -= 2) {
    p = fma64(p, z, (n - first) / 2 % 2 == 0 ? reciprocal_factorial(n) : -reciprocal_factorial(n));
  }
  return p;
}

// sin(x + quadrants * pi / 2): Cody-Waite reduction to |r| <= pi / 4, then Taylor.
double sine(double x, uint64_t quadrants) {
  const double t = fma64(x, 0x1.45f306dc9c883p-1, kMagic);  // 2 / pi
  const double n = t - kMagic;
  const double r = fma64(n, -kHalfPiLow, fma64(n, -kHalfPiHigh, x));
  const double z = r * r;
  const double s = fma64(r * z, -alternating_taylor<3, 17>(z), r);
  const double c = fma64(z, -alternating_taylor<2, 18>(z), 1.0);
  const uint64_t quadrant = std::bit_cast<uint64_t>(t) + quadrants;
  const double y = (quadrant & 1) != 0 ? c : s;
  const double signed_y = (quadrant & 2) != 0 ? -y : y;
  return x > -0x1p20 && x < 0x1p20 ? signed_y : kNan64;
}

}  // namespace

float exp32(float x) {
  namespace k = exp32_constants;
  const float t = fma32(x, k::log2_e, k::magic);
  const float n = t - k::magic;
  const float r = fma32(n, -k::ln2_low, fma32(n, -k::ln2_high, x));
  float p = k::c[0];
  for (int i = 1; i < 7; ++i) p = fma32(p, r, k::c[i]);
  float y = std::bit_cast<float>(std::bit_cast<uint32_t>(p) + (std::bit_cast<uint32_t>(t) << 23));
  y = x < k::lowest ? 0.0f : y;
  y = x > k::highest ? kInf32 : y;
  return x != x ? kNan32 : y;
}

float log32(float x) {
  // Minimax for (log(1 + f) - f + f^2 / 2) / f^3 on 1 + f in [sqrt(1/2), sqrt(2)] (Remez), error 6e-9 of log(1 + f).
  constexpr float c[] = {-0x1.38bcdap-4f, 0x1.055aaep-3f, -0x1.0d8352p-3f, 0x1.22da16p-3f,
                         -0x1.54727ep-3f, 0x1.99a00cp-3f, -0x1.000226p-2f, 0x1.555554p-2f};
  constexpr uint32_t kSqrtHalf = 0x3f3504f3;
  const bool subnormal = x < 0x1p-126f;
  const uint32_t bits = std::bit_cast<uint32_t>(subnormal ? x * 0x1p24f : x) - kSqrtHalf;
  const float m = std::bit_cast<float>((bits & 0x7fffff) + kSqrtHalf);
  const float e = static_cast<float>((static_cast<int32_t>(bits) >> 23) - (subnormal ? 24 : 0));
  const float f = m - 1.0f;
  const float z = f * f;
  float p = c[0];
  for (int i = 1; i < 8; ++i) p = fma32(p, f, c[i]);
  float y = fma32(e, exp32_constants::ln2_low, (f * z) * p);
  y = fma32(-0.5f, z, y);
  y = f + y;
  y = fma32(e, exp32_constants::ln2_high, y);
  y = x == kInf32 ? kInf32 : y;
  y = x == 0.0f ? -kInf32 : y;
  return x >= 0.0f ? y : kNan32;
}

double sin64(double x) { return sine(x, 0); }
double cos64(double x) { return sine(x, 1); }

double exp64(double x) {
  const double t = fma64(x, 0x1.71547652b82fep+0, kMagic);  // 1 / ln 2
  const double n = t - kMagic;
  const double r = fma64(n, -kLn2Low, fma64(n, -kLn2High, x));
  double p = reciprocal_factorial(13);  // Taylor: the next term is below 2^-57
  for (int i = 12; i >= 0; --i) p = fma64(p, r, reciprocal_factorial(i));
  double y = std::bit_cast<double>(std::bit_cast<uint64_t>(p) + (std::bit_cast<uint64_t>(t) << 52));
  y = x < -708.0 ? 0.0 : y;
  y = x > 709.0 ? kInf64 : y;
  return x != x ? kNan64 : y;
}

double log64(double x) {
  constexpr uint64_t kSqrtHalf = 0x3fe6a09e667f3bcd;
  const bool subnormal = x < 0x1p-1022;
  const uint64_t bits = std::bit_cast<uint64_t>(subnormal ? x * 0x1p53 : x) - kSqrtHalf;
  const double m = std::bit_cast<double>((bits & 0xfffffffffffff) + kSqrtHalf);
  const double e = static_cast<double>((static_cast<int64_t>(bits) >> 52) - (subnormal ? 53 : 0));
  // log m = 2 artanh(s) = 2 s + 2 s z (1/3 + z/5 + z^2/7 + ...), s = (m - 1) / (m + 1), z = s^2 < 0.0295
  const double s = (m - 1.0) / (m + 1.0);
  const double z = s * s;
  double p = 1.0 / 23;
  for (int odd = 21; odd >= 3; odd -= 2) p = fma64(p, z, 1.0 / odd);
  const double tail = fma64(2.0 * s * z, p, e * kLn2Low);
  double y = fma64(e, kLn2High, fma64(2.0, s, tail));
  y = x == kInf64 ? kInf64 : y;
  y = x == 0.0 ? -kInf64 : y;
  return x >= 0.0 ? y : kNan64;
}

float round_half_even32(float x) { return (x + exp32_constants::magic) - exp32_constants::magic; }

}  // namespace tern
