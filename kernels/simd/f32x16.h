// Sixteen virtual float lanes: what every float kernel computes in, so that one body gives the same bits on
// every ISA. F32x16<Isa> has this interface (V below), and nothing else:
//   V::broadcast(s)  V::load(p)  V::load_f16(p)  v.store(p)  v.store_int8(p)
//   a + b  a - b  a * b  a / b  fma(a, b, c)  abs(a)  greater(a, b)  ordered(a)  choose(mask, a, b)
//   scale_by_power(p, t)  sum_lanes(a)  max_lanes(a)  v.exchange<d>() (lane i becomes lane i ^ d, d = 1, 2, 4, 8)
// Loads and stores need no alignment. Reductions use one tree: lane i += lane i + 8, then + 4, + 2, + 1.
// This file has what all ISAs share; f32x16_<isa>.h specialise F32x16 on their own tag, so that no function
// compiled with an ISA's flags can be taken for another's by the linker.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tern::simd {

inline constexpr size_t kLanes = 16;

template <class Isa>
struct F32x16;

// Adding 1.5 * 2^23 to |x| < 2^22 rounds x half to even and leaves the integer in the low bits of the sum.
inline constexpr float kRoundMagic = 12582912.f;

// The first n < 16 values at p, then zeros.
template <class V>
V load_tail(const float* p, size_t n) {
  float lanes[kLanes] = {};
  for (size_t i = 0; i < n; ++i) lanes[i] = p[i];
  return V::load(lanes);
}

template <class V>
V load_tail_f16(const uint16_t* p, size_t n) {
  uint16_t lanes[kLanes] = {};
  for (size_t i = 0; i < n; ++i) lanes[i] = p[i];
  return V::load_f16(lanes);
}

template <class V>
void store_tail(V v, float* p, size_t n) {
  float lanes[kLanes];
  v.store(lanes);
  for (size_t i = 0; i < n; ++i) p[i] = lanes[i];
}

// How a kernel reads an array of f32 or f16 values in lanes.
template <class V>
struct F32Array {
  const float* p;
  V load(size_t i) const { return V::load(p + i); }
  V load(size_t i, size_t n) const { return load_tail<V>(p + i, n); }
};

template <class V>
struct F16Array {
  const uint16_t* p;
  V load(size_t i) const { return V::load_f16(p + i); }
  V load(size_t i, size_t n) const { return load_tail_f16<V>(p + i, n); }
};

// Calls body(i, load, store) for every 16 values of n: load(p) and store(v, p) handle the tail.
template <class V, class Body>
void for_lanes(size_t n, Body body) {
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    body(
        i, [](const float* p) { return V::load(p); }, [](V v, float* p) { v.store(p); });
  }
  if (const size_t rest = n - i; rest != 0) {
    body(
        i, [rest](const float* p) { return load_tail<V>(p, rest); }, [rest](V v, float* p) { store_tail(v, p, rest); });
  }
}

}  // namespace tern::simd
