// Symmetric round-to-nearest: q = clamp(round_half_even(w / scale), -127, 127), one scale for a run of weights.
#pragma once

#include <cstdint>
#include <span>

#include "formats/encoding/encoding.h"

namespace tern {

// scale = max|w| / 127, stored as `scale_type` and rounded upwards before the codes are chosen, so that no code
// is clamped by the rounding. All zero: scale 0. Returns the scale as stored. REQUIRES finite values;
// the result is infinite when scale_type cannot hold it, and then the codes are zero.
float round_to_nearest_int8(std::span<const float> values, FloatType scale_type, std::span<int8_t> codes);

}  // namespace tern
