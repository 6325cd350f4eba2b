#include "base/checked.h"

#include <catch2/catch.hpp>
#include <limits>

using namespace tern;

namespace {
constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
}

TEST_CASE("checked arithmetic is exact up to 2^64 - 1 and empty beyond") {
  CHECK(checked_add(kMax - 1, 1) == kMax);
  CHECK_FALSE(checked_add(kMax, 1).has_value());
  CHECK_FALSE(checked_add(kMax, kMax).has_value());
  CHECK(checked_mul(1ull << 32, (1ull << 32) - 1) == 0xffffffff00000000u);
  CHECK_FALSE(checked_mul(1ull << 32, 1ull << 32).has_value());
  CHECK(checked_mul(kMax, 1) == kMax);
  CHECK(checked_mul(kMax, 0) == 0u);
  CHECK_FALSE(checked_mul(kMax, 2).has_value());
  CHECK(checked_align(0, 64) == 0u);
  CHECK(checked_align(1, 64) == 64u);
  CHECK(checked_align(64, 64) == 64u);
  CHECK(checked_align(kMax, 1) == kMax);
  CHECK(checked_align(kMax - 63, 64) == kMax - 63);
  CHECK_FALSE(checked_align(kMax - 62, 64).has_value());
}

TEST_CASE("an overflow stays an overflow through later steps") {
  const Checked lost = checked_mul(kMax, 2);
  CHECK_FALSE(checked_add(lost, 0).has_value());
  CHECK_FALSE(checked_add(0, lost).has_value());
  CHECK_FALSE(checked_mul(lost, 0).has_value());
  CHECK_FALSE(checked_mul(0, lost).has_value());
  CHECK_FALSE(checked_align(lost, 8).has_value());
}

TEST_CASE("ceil_div and align_up") {
  CHECK(ceil_div(0, 5) == 0);
  CHECK(ceil_div(5, 5) == 1);
  CHECK(ceil_div(6, 5) == 2);
  CHECK(ceil_div(kMax, 2) == 1ull << 63);  // no wrap in between
  CHECK(align_up(0, 16) == 0);
  CHECK(align_up(17, 16) == 32);
}

TEST_CASE("in_range cannot be fooled by wrapping sums") {
  CHECK(in_range(0, 0, 0));
  CHECK(in_range(10, 0, 10));
  CHECK(in_range(3, 7, 10));
  CHECK_FALSE(in_range(3, 8, 10));
  CHECK_FALSE(in_range(11, 0, 10));
  CHECK_FALSE(in_range(kMax, 2, 10));  // the sum wraps to 1
  CHECK_FALSE(in_range(2, kMax, 10));
  CHECK(in_range(0, kMax, kMax));
}
