// Angles of rotary position embedding, in double precision with base/math.h, rounded once to f32: the same
// bits on every machine.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "formats/tern/description.h"

namespace tern {

inline constexpr uint32_t kMaxPositions = 1u << 20;  // sin64 and cos64 reduce angles up to 2^20

// base^(-2i / head_dim) for i < head_dim / 2, scaled as the configuration says. With n turns within
// rope_trained_context, llama3 (transformers, modeling_rope_utils) keeps frequencies above rope_high_frequency turns,
// divides those below rope_low_frequency by rope_factor, and blends between.
std::vector<double> rope_frequencies(const ModelConfig& config);

// cos and sin of position * frequency, one each per frequency. REQUIRES position < kMaxPositions.
void rope_angles(std::span<const double> frequencies, uint32_t position, float* cos, float* sin);

}  // namespace tern
