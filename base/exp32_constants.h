// exp32 step by step, so that vector kernels repeat it lane by lane (static: internal linkage per file).
//   t = fma(x, log2_e, magic)            n sits in the low bits of t
//   n = t - magic                        x / ln 2 rounded half to even
//   r = fma(n, -ln2_low, fma(n, -ln2_high, x))
//   p = fma(c[i], r, ...) by Horner: p = c[0]; then p = fma(p, r, c[i]) for i = 1 .. 6
//   y = as_float(as_int(p) + (as_int(t) << 23))      wrapping: p * 2^n, exact, never subnormal
//   y = x < lowest ? 0 : y;  y = x > highest ? infinity : y;  y = x is NaN ? quiet NaN 0x7fc00000 : y
// c: minimax for (exp(r) - 1 - r) / r^2 on |r| <= ln 2 / 2 (Remez), error 3e-9 relative to exp(r).
#pragma once

namespace tern::exp32_constants {

static constexpr float log2_e = 0x1.715476p+0f;
static constexpr float magic = 0x1.8p+23f;  // 1.5 * 2^23: adding it rounds to an integer
static constexpr float ln2_high = 0x1.62e43p-1f;
static constexpr float ln2_low = -0x1.05c61p-29f;
static constexpr float c[7] = {0x1.6a2474p-10f, 0x1.1239d4p-7f, 0x1.5558fp-5f, 0x1.555492p-3f,
                               0x1.fffffcp-2f,  1.0f,           1.0f};
static constexpr float lowest = -87.3f;
static constexpr float highest = 88.7f;

}  // namespace tern::exp32_constants
