// Symmetric round-to-nearest, one scale for a run of weights: q = clamp(round_half_even(w / scale)).
#pragma once

#include <cstdint>
#include <span>

#include "formats/encoding/encoding.h"

namespace tern {

// Both return the scale as stored, in `scale_type`. All zero: scale 0. REQUIRES finite values; the result is
// infinite when scale_type cannot hold it, and then the codes are zero.

// q in -127..127, scale = max|w| / 127, rounded upwards before the codes are chosen, so that no code is clamped by the
// rounding.
float round_to_nearest_int8(std::span<const float> values, FloatType scale_type, std::span<int8_t> codes);

// q in -h..h - 1, h = 2^(bits - 1), bits 2..8, with the scale of least squared error among nine. With m the weight of
// largest magnitude (the first of equals), candidate k = -4..4 begins as -m / (h (1 + k / 40)), which gives m the code
// -h at k = 0, and moves to the scale that fits its codes best, sum(w q) / sum(q^2), as stored; of equal errors the
// first wins. So scales are negative where m is positive.
float round_to_fitted_scale(std::span<const float> values, unsigned bits, FloatType scale_type,
                            std::span<int8_t> codes);

}  // namespace tern
