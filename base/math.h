// Functions whose bits must not depend on libm, compiler or ISA (promise 1): fixed sequences of
// IEEE operations and explicit fma. Vector kernels repeat the same sequence lane by lane.
// sqrt and division are correctly rounded by IEEE 754, hence already portable.
#pragma once

#include <cmath>
#include <cstdint>

namespace tern {

inline float fma32(float a, float b, float c) { return __builtin_fmaf(a, b, c); }

float exp32(float x);     // error < 2 ulp on [-87, 88]; 0 below -87.3, +inf above 88.7; NaN stays NaN
float log32(float x);     // error < 2 ulp on positive normal numbers
double sin64(double x);   // |x| < 2^20, error < 1e-12
double cos64(double x);
double exp64(double x);   // for RoPE frequencies: error < 1e-14 relative on [-700, 700]
double log64(double x);
float round_half_even32(float x);  // |x| < 2^22

}  // namespace tern
