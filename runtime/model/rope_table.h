// Angles of rotary position embedding, in double precision with base/math.h, rounded once to f32: the same
// bits on every machine.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tern {

inline constexpr uint32_t kMaxPositions = 1u << 20;  // sin64 and cos64 reduce angles up to 2^20

// base^(-2i / head_dim) for i < head_dim / 2.
std::vector<double> rope_frequencies(double base, uint32_t head_dim);

// cos and sin of position * frequency, one each per frequency. REQUIRES position < kMaxPositions.
void rope_angles(std::span<const double> frequencies, uint32_t position, float* cos, float* sin);

}  // namespace tern
