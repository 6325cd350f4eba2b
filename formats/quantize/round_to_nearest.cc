#include "formats/quantize/round_to_nearest.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/half.h"
#include "base/math.h"

namespace tern {
namespace {

// The smallest number of the type that is not below x >= 0 (adding one to the bits is the next number up).
float round_up(float x, FloatType type) {
  if (type == FloatType::f32) return x;
  const bool half = type == FloatType::f16;
  const uint16_t bits = half ? f32_to_f16(x) : f32_to_bf16(x);
  const auto value = [half](uint16_t b) { return half ? f16_to_f32(b) : bf16_to_f32(b); };
  return value(bits) < x ? value(static_cast<uint16_t>(bits + 1)) : value(bits);
}

float as_stored(float x, FloatType type) {
  if (type == FloatType::f32) return x;
  return type == FloatType::f16 ? f16_to_f32(f32_to_f16(x)) : bf16_to_f32(f32_to_bf16(x));
}

bool usable(float scale) { return scale != 0 && std::isfinite(scale); }

// The codes of one number of bits, as floats; adding 1.5 * 2^23 rounds half to even.
struct Grid {
  float half;
  explicit Grid(unsigned bits) : half(static_cast<float>(1u << (bits - 1))) {}
  float code(float w, float scale) const {
    constexpr float kMagic = 12582912.f;
    return std::min(std::max(w / scale, -half), half - 1) + kMagic - kMagic;
  }
};

// Sum of term(value) in eight partial sums, for the compiler to use vectors; always in the same order.
template <class Term>
double sum_of(std::span<const float> values, Term term) {
  constexpr size_t kLanes = 8;
  double lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes)
    for (size_t l = 0; l < kLanes; ++l) lanes[l] += term(values[i + l]);
  for (; i < values.size(); ++i) lanes[i % kLanes] += term(values[i]);
  double sum = 0;
  for (double lane : lanes) sum += lane;
  return sum;
}

// The scale that fits the codes of `scale` best.
float fitted(std::span<const float> values, const Grid& grid, float scale) {
  const double products = sum_of(values, [&](float w) { return static_cast<double>(w) * grid.code(w, scale); });
  const double squares = sum_of(values, [&](float w) {
    const double q = grid.code(w, scale);
    return q * q;
  });
  return squares == 0 ? scale : static_cast<float>(products / squares);
}

double squared_error(std::span<const float> values, const Grid& grid, float scale) {
  return sum_of(values, [&](float w) {
    const double difference = static_cast<double>(w) - static_cast<double>(scale) * grid.code(w, scale);
    return difference * difference;
  });
}

}  // namespace

float round_to_nearest_int8(std::span<const float> values, FloatType scale_type, std::span<int8_t> codes) {
  float largest = 0;
  for (float v : values) largest = std::max(largest, std::fabs(v));
  const float scale = round_up(largest / 127.f, scale_type);
  if (scale == 0 || !std::isfinite(scale)) {
    std::fill(codes.begin(), codes.end(), int8_t{0});
    return scale;
  }
  for (size_t i = 0; i < values.size(); ++i) {
    const float rounded = round_half_even32(std::clamp(values[i] / scale, -127.f, 127.f));
    codes[i] = static_cast<int8_t>(rounded);
  }
  return scale;
}

float round_to_fitted_scale(std::span<const float> values, unsigned bits, FloatType scale_type,
                            std::span<int8_t> codes) {
  const Grid grid(bits);
  float largest = 0;
  for (float v : values) {
    if (std::fabs(v) > std::fabs(largest)) largest = v;
  }
  float best = 0, last = 0;
  double least = std::numeric_limits<double>::infinity();
  for (int k = -4; k <= 4; ++k) {
    last = as_stored(-largest / (grid.half * (1 + static_cast<float>(k) / 40)), scale_type);
    if (!usable(last)) continue;
    const float scale = as_stored(fitted(values, grid, last), scale_type);
    if (!usable(scale)) continue;
    const double error = squared_error(values, grid, scale);
    if (error < least) least = error, best = scale;
  }
  if (best == 0) {
    std::fill(codes.begin(), codes.end(), int8_t{0});
    return std::isfinite(last) ? 0.f : last;
  }
  for (size_t i = 0; i < values.size(); ++i) codes[i] = static_cast<int8_t>(grid.code(values[i], best));
  return best;
}

}  // namespace tern
