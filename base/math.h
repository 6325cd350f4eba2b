// Functions whose bits must not depend on libm, compiler or ISA (promise 1): fixed sequences of
// IEEE operations and explicit fma. Vector kernels repeat the same sequence lane by lane.
// sqrt and division are correctly rounded by IEEE 754, hence already portable.
#pragma once

#include <cmath>
#include <cstdint>

namespace tern {

// One rounding. Without FMA in the target this is a call of the C library's fma, exact by definition.
static inline float fma32(float a, float b, float c) { return __builtin_fmaf(a, b, c); }

// NaN in gives the quiet NaN 0x7fc00000 (0x7ff8000000000000) out.
float exp32(float x);    // error < 2 ulp on [-87.3, 88.7]; 0 below, +inf above; steps: base/exp32_constants.h
float log32(float x);    // error < 2 ulp on positive numbers; -inf at 0, NaN below
double sin64(double x);  // |x| < 2^20, error < 1e-12; NaN elsewhere
double cos64(double x);
double exp64(double x);            // error < 1e-14 relative on [-708, 709]; 0 below, +inf above
double log64(double x);            // error < 1e-14 relative on positive numbers; -inf at 0, NaN below
float round_half_even32(float x);  // |x| < 2^22; (x + 1.5 * 2^23) - 1.5 * 2^23, so that zero is always +0

}  // namespace tern
