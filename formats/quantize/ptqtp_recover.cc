#include "formats/quantize/ptqtp_recover.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <vector>

#include "formats/encoding/values.h"

namespace tern {
namespace {

constexpr size_t kMaxMagnitudes = 4;

// A magnitude as a sum of planes.
struct Kind {
  int8_t first, second;
  double of(double a1, double a2) const { return first * a1 + second * a2; }
};
constexpr Kind kDifference{1, -1}, kSecond{0, 1}, kFirst{1, 0}, kSum{1, 1};

// Ascending, for a1 < 2 a2 and for a1 > 2 a2.
constexpr std::array<std::array<Kind, kMaxMagnitudes>, 2> kOrders{
    {{kDifference, kSecond, kFirst, kSum}, {kSecond, kDifference, kFirst, kSum}}};

// Magnitudes of a group, ascending, and what each of them is.
struct Reading {
  std::array<Kind, kMaxMagnitudes> kinds{};
  size_t count = 0;
  bool holds_scales() const { return holds(kFirst) && holds(kSecond); }
  bool holds(Kind k) const {
    return std::any_of(kinds.begin(), kinds.begin() + static_cast<ptrdiff_t>(count),
                       [&](Kind x) { return x.first == k.first && x.second == k.second; });
  }
};

// All readings of `count` magnitudes, those that hold both scales first.
std::vector<Reading> make_readings(size_t count) {
  std::vector<Reading> all;
  for (const auto& order : kOrders) {
    for (unsigned chosen = 1; chosen < 1u << kMaxMagnitudes; ++chosen) {
      if (static_cast<size_t>(std::popcount(chosen)) != count) continue;
      Reading reading;
      for (size_t i = 0; i < kMaxMagnitudes; ++i)
        if (chosen >> i & 1) reading.kinds[reading.count++] = order[i];
      all.push_back(reading);
    }
  }
  std::stable_partition(all.begin(), all.end(), [](const Reading& r) { return r.holds_scales(); });
  return all;
}

const std::vector<Reading>& readings(size_t count) {
  static const std::array<std::vector<Reading>, kMaxMagnitudes + 1> kReadings{
      make_readings(0), make_readings(1), make_readings(2), make_readings(3), make_readings(4)};
  return kReadings[count];
}

float rounded(FloatType type, double value) {
  std::byte bytes[4];
  store_float(type, bytes, 0, static_cast<float>(value));
  return load_float(type, bytes, 0);
}

// The number of this type above (1) or below (-1) a positive one.
double neighbour(FloatType type, float value, int step) {
  std::byte bytes[4] = {};
  store_float(type, bytes, 0, value);
  uint32_t bits;
  std::memcpy(&bits, bytes, sizeof bits);
  bits += static_cast<uint32_t>(step);
  std::memcpy(bytes, &bits, sizeof bits);
  return load_float(type, bytes, 0);
}

// What may have been rounded to a magnitude.
struct Interval {
  double low, high;
  Interval(FloatType type, float value)
      : low((value + neighbour(type, value, -1)) / 2), high((value + neighbour(type, value, 1)) / 2) {}
};

struct Pair {
  double a1 = 0, a2 = 0;
};

// The middle of the corners of all (a1, a2) that respect every interval; none if there are none.
std::optional<Pair> feasible(const Reading& reading, std::span<const Interval> intervals) {
  Pair sum;
  int corners = 0;
  const auto try_corner = [&](size_t i, double x, size_t j, double y) {
    const Kind p = reading.kinds[i], q = reading.kinds[j];
    const double det = p.first * q.second - p.second * q.first;
    const Pair a{(x * q.second - y * p.second) / det, (y * p.first - x * q.first) / det};
    for (size_t k = 0; k < reading.count; ++k) {
      const double value = reading.kinds[k].of(a.a1, a.a2), slack = 1e-12 * intervals[k].high;
      if (value < intervals[k].low - slack || value > intervals[k].high + slack) return;
    }
    sum.a1 += a.a1, sum.a2 += a.a2;
    ++corners;
  };
  for (size_t i = 0; i < reading.count; ++i) {
    for (size_t j = i + 1; j < reading.count; ++j) {
      for (const double x : {intervals[i].low, intervals[i].high})
        for (const double y : {intervals[j].low, intervals[j].high}) try_corner(i, x, j, y);
    }
  }
  if (corners == 0) return {};
  return Pair{sum.a1 / corners, sum.a2 / corners};
}

// The magnitudes of a group, ascending, zero left out; none if there are too many.
std::optional<std::vector<float>> magnitudes(std::span<const float> weights) {
  std::vector<float> found;
  for (const float w : weights) {
    const float m = std::fabs(w);
    if (m == 0 || std::find(found.begin(), found.end(), m) != found.end()) continue;
    if (found.size() == kMaxMagnitudes) return {};
    found.push_back(m);
  }
  std::sort(found.begin(), found.end());
  return found;
}

class GroupRecovery {
 public:
  GroupRecovery(FloatType stored, FloatType scale_type, std::span<const float> found)
      : stored_(stored), scale_type_(scale_type), found_(found) {
    for (const float m : found) intervals_.emplace_back(stored, m);
  }

  // The scales as they are stored, with the reading that they serve.
  std::optional<Pair> scales(Reading& used) const {
    for (const Reading& reading : readings(found_.size())) {
      used = reading;
      if (found_.size() == 1) return try_scales(reading, {found_[0], 0});
      if (reading.holds_scales()) {
        if (const auto a = try_scales(reading, {value_of(reading, kFirst), value_of(reading, kSecond)})) return a;
      }
      if (const auto middle = feasible(reading, intervals_)) {
        if (const auto a = try_scales(reading, *middle)) return a;
      }
    }
    return {};
  }

 private:
  double value_of(const Reading& reading, Kind kind) const {
    for (size_t i = 0; i < reading.count; ++i)
      if (reading.kinds[i].first == kind.first && reading.kinds[i].second == kind.second) return found_[i];
    return 0;
  }

  std::optional<Pair> try_scales(const Reading& reading, Pair a) const {
    a.a1 = rounded(scale_type_, a.a1), a.a2 = rounded(scale_type_, a.a2);
    if (!(a.a1 >= a.a2 && a.a2 >= 0) || !std::isfinite(a.a1)) return {};
    for (size_t i = 0; i < reading.count; ++i)
      if (rounded(stored_, reading.kinds[i].of(a.a1, a.a2)) != found_[i]) return {};
    return a;
  }

  FloatType stored_, scale_type_;
  std::span<const float> found_;
  std::vector<Interval> intervals_;
};

}  // namespace

bool PlaneRecovery::recover(std::span<const float> weights, int8_t* trits, size_t plane_stride,
                            std::span<float, 2> scales) const {
  const auto found = magnitudes(weights);
  if (!found) return false;
  Reading reading;
  Pair a;
  if (!found->empty()) {
    const auto solved = GroupRecovery(stored_, scale_type_, *found).scales(reading);
    if (!solved) return false;
    a = *solved;
    if (found->size() == 1) reading.kinds[0] = kFirst;
  }
  scales[0] = static_cast<float>(a.a1), scales[1] = static_cast<float>(a.a2);
  for (size_t i = 0; i < weights.size(); ++i) {
    const auto at = std::find(found->begin(), found->end(), std::fabs(weights[i])) - found->begin();
    const Kind kind = weights[i] == 0 ? Kind{0, 0} : reading.kinds[static_cast<size_t>(at)];
    const int8_t sign = weights[i] < 0 ? -1 : 1;
    trits[i] = static_cast<int8_t>(sign * kind.first);
    trits[plane_stride + i] = static_cast<int8_t>(sign * kind.second);
  }
  return true;
}

}  // namespace tern
