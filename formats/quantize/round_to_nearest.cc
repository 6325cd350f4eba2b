#include "formats/quantize/round_to_nearest.h"

#include <algorithm>
#include <cmath>

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

}  // namespace tern
