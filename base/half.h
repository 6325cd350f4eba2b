// f16 (IEEE binary16) and bf16 conversions, round to nearest even, NaN kept quiet. Bit-exact with F16C and NEON.
#pragma once

#include <cstdint>

namespace tern {

float f16_to_f32(uint16_t h);
uint16_t f32_to_f16(float f);
static inline float bf16_to_f32(uint16_t b) { return __builtin_bit_cast(float, static_cast<uint32_t>(b) << 16); }
uint16_t f32_to_bf16(float f);

}  // namespace tern
