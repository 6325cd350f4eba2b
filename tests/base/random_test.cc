// Known values come from an implementation in another language that reproduces the published vectors of
// splitmix64 (seed 1234567) and xoshiro256** (state 1, 2, 3, 4).
#include "base/random.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

using namespace tern;

TEST_CASE("the sequence of a seed never changes") {
  Random random(1234567), zero(0);
  for (const uint64_t expected : {0x30a3a1c363600467u, 0x19405f0f579929cau, 0x115beaac046ddbd9u, 0xeb17caf48f27d7f6u})
    CHECK(random.next() == expected);
  for (const uint64_t expected : {0x99ec5f36cb75f2b4u, 0xbf6e1f784956452au, 0x1a5f849d4933e6e0u, 0x6aa594f1262d2d2cu})
    CHECK(zero.next() == expected);
}

TEST_CASE("uniform is the upper 24 bits, in [0, 1)") {
  Random random(5), bits(5);
  double sum = 0;
  for (int i = 0; i < 100000; ++i) {
    const float u = random.uniform();
    REQUIRE(u == std::ldexp(static_cast<double>(bits.next() >> 40), -24));
    REQUIRE(u < 1.0f);
    sum += u;
  }
  CHECK(std::fabs(sum / 100000 - 0.5) < 0.0046);  // 5 standard errors: 5 * 0.2887 / sqrt(100000)
}

TEST_CASE("below covers its range evenly") {
  Random random(7);
  std::vector<int> count(6);
  for (int i = 0; i < 60000; ++i) {
    const uint64_t k = random.below(6);
    REQUIRE(k < 6);
    ++count[k];
  }
  for (const int c : count) CHECK(std::abs(c - 10000) < 457);  // 5 sigma: 5 * sqrt(60000 * 5/36)
  for (int i = 0; i < 100; ++i) CHECK(random.below(1) == 0);
}

TEST_CASE("below rejects what would bias a bound just over half of 2^64") {
  const uint64_t bound = (1ull << 63) + 1;  // plain modulo would return values below 2^63 - 1 twice as often
  Random random(9);
  int low = 0;
  for (int i = 0; i < 20000; ++i) {
    const uint64_t k = random.below(bound);
    REQUIRE(k < bound);
    low += k < bound / 2;
  }
  CHECK(std::abs(low - 10000) < 354);  // 5 sigma: 5 * sqrt(20000) / 2
}

TEST_CASE("normal has the moments and tails of a normal, and fixed bits") {
  Random random(11);
  const int n = 200000;
  double sum = 0, squares = 0, fourth = 0;
  int beyond2 = 0;
  uint64_t hash = 0xcbf29ce484222325u;
  for (int i = 0; i < n; ++i) {
    const float x = random.normal();
    REQUIRE(std::isfinite(x));
    sum += x;
    squares += double(x) * x;
    fourth += double(x) * x * x * x;
    beyond2 += std::fabs(x) > 2;
    hash = (hash ^ std::bit_cast<uint32_t>(x)) * 0x100000001b3u;
  }
  // five standard errors: var(x) = 1, var(x^2) = 2, var(x^4) = 96
  CHECK(std::fabs(sum / n) < 5 / std::sqrt(n));
  CHECK(std::fabs(squares / n - 1) < 5 * std::sqrt(2.0 / n));
  CHECK(std::fabs(fourth / n - 3) < 5 * std::sqrt(96.0 / n));
  CHECK(std::fabs(beyond2 / double(n) - 0.0455) < 5 * std::sqrt(0.0455 * 0.9545 / n));
  CHECK(hash == 0x273a5728972e44fau);
}
