// Conversions against a slow reference that works on real values only.
#include "base/half.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

using namespace tern;

namespace {

struct Format {
  int fraction_bits, exponent_bits;
  int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  uint32_t infinity() const { return ((1u << exponent_bits) - 1) << fraction_bits; }
};
constexpr Format kF16{10, 5}, kBf16{7, 8};

// The value of a finite pattern without sign; for infinity, the value it stands for when rounding.
double value_of(Format f, uint32_t pattern) {
  const int exponent = static_cast<int>(pattern >> f.fraction_bits);
  const uint32_t fraction = pattern & ((1u << f.fraction_bits) - 1);
  if (exponent == 0) return std::ldexp(fraction, 1 - f.bias() - f.fraction_bits);
  return std::ldexp(fraction + (1u << f.fraction_bits), exponent - f.bias() - f.fraction_bits);
}

// The nearest pattern to |x| by bisection over all finite patterns; ties to the even one.
uint16_t nearest(Format f, float x) {
  const double magnitude = std::fabs(static_cast<double>(x));
  uint32_t low = 0, high = f.infinity();
  while (high - low > 1) {
    const uint32_t middle = (low + high) / 2;
    (value_of(f, middle) <= magnitude ? low : high) = middle;
  }
  const double below = magnitude - value_of(f, low), above = value_of(f, high) - magnitude;
  const uint32_t pattern = below < above ? low : below > above ? high : low % 2 == 0 ? low : high;
  return static_cast<uint16_t>(pattern | (std::signbit(x) ? 0x8000u : 0u));
}

std::vector<float> interesting_floats() {
  std::vector<float> floats;
  for (uint64_t bits = 0; bits < 1ull << 32; bits += 65521) {  // prime: touches every exponent and low bit
    floats.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  }
  for (const Format f : {kF16, kBf16}) {  // every pattern, every tie between neighbours, and the floats beside it
    for (uint32_t p = 0; p < f.infinity(); ++p) {
      const double tie = (value_of(f, p) + value_of(f, p + 1)) / 2;
      if (tie > std::numeric_limits<float>::max()) continue;
      const float t = static_cast<float>(tie);
      for (const float x : {static_cast<float>(value_of(f, p)), t, std::nextafter(t, 0.0f), std::nextafter(t, 1e38f)}) {
        floats.push_back(x);
        floats.push_back(-x);
      }
    }
  }
  return floats;
}

}  // namespace

TEST_CASE("every f16 pattern widens to its value and comes back") {
  for (uint32_t h = 0; h < 65536; ++h) {
    const uint16_t pattern = static_cast<uint16_t>(h);
    const float f = f16_to_f32(pattern);
    const uint32_t magnitude = h & 0x7fffu;
    bool right;
    if (magnitude > kF16.infinity()) {  // NaN: payload kept, made quiet
      right = std::bit_cast<uint32_t>(f) == ((h & 0x8000u) << 16 | 0x7fc00000u | (h & 0x3ffu) << 13) &&
              f32_to_f16(f) == (pattern | 0x200u);
    } else {
      const double value =
          magnitude == kF16.infinity() ? std::numeric_limits<double>::infinity() : value_of(kF16, magnitude);
      right =
          f == (h & 0x8000u ? -value : value) && std::signbit(f) == ((h & 0x8000u) != 0) && f32_to_f16(f) == pattern;
    }
    if (!right) FAIL("f16 pattern " << h << " gives " << f);
  }
}

TEST_CASE("every bf16 pattern widens to its value and comes back") {
  for (uint32_t b = 0; b < 65536; ++b) {
    const uint16_t pattern = static_cast<uint16_t>(b);
    const float f = bf16_to_f32(pattern);
    const bool nan = (b & 0x7fffu) > kBf16.infinity();
    if (!nan && (b & 0x7fffu) < kBf16.infinity()) REQUIRE(std::fabs(f) == value_of(kBf16, b & 0x7fffu));
    REQUIRE(f32_to_bf16(f) == (nan ? pattern | 0x40u : pattern));
  }
}

TEST_CASE("narrowing rounds to nearest even, as the slow reference does") {
  for (const float x : interesting_floats()) {
    if (std::isnan(x)) continue;
    if (f32_to_f16(x) != nearest(kF16, x)) FAIL("f16 of " << x << " is " << f32_to_f16(x));
    if (f32_to_bf16(x) != nearest(kBf16, x)) FAIL("bf16 of " << x << " is " << f32_to_bf16(x));
  }
}

TEST_CASE("narrowing at the edges") {
  CHECK(f32_to_f16(65504.0f) == 0x7bff);
  CHECK(f32_to_f16(std::nextafter(65520.0f, 0.0f)) == 0x7bff);
  CHECK(f32_to_f16(65520.0f) == 0x7c00);  // a tie with what would be 65536
  CHECK(f32_to_f16(-1e30f) == 0xfc00);
  CHECK(f32_to_f16(0x1p-24f) == 1);
  CHECK(f32_to_f16(0x1p-25f) == 0);  // tie with zero
  CHECK(f32_to_f16(std::nextafter(0x1p-25f, 1.0f)) == 1);
  CHECK(f32_to_f16(-0.0f) == 0x8000);
  CHECK(f32_to_bf16(std::numeric_limits<float>::max()) == 0x7f80);
  CHECK(f32_to_bf16(std::numeric_limits<float>::denorm_min()) == 0);
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(f32_to_f16(infinity) == 0x7c00);
  CHECK(f32_to_bf16(-infinity) == 0xff80);
  for (const uint32_t nan : {0x7f800001u, 0x7fc00000u, 0xffffffffu, 0x7f802000u}) {
    const float f = std::bit_cast<float>(nan);
    CHECK((f32_to_f16(f) & 0x7e00) == 0x7e00);
    CHECK((f32_to_f16(f) & 0x1ff) == ((nan >> 13) & 0x1ff));
    CHECK((f32_to_bf16(f) & 0x7fc0) == 0x7fc0);
    CHECK((f32_to_f16(f) & 0x8000) == ((nan >> 16) & 0x8000));
  }
}
