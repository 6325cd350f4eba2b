// F32x16 in plain C++: the reference that every other ISA must equal bit for bit.
#pragma once

#include <bit>
#include <cstring>

#include "base/half.h"
#include "base/math.h"
#include "kernels/simd/f32x16.h"

namespace tern::simd {

struct Scalar;

template <>
struct F32x16<Scalar> {
  static constexpr size_t kParts = kLanes;
  float lane[kLanes];

  struct Mask {
    bool lane[kLanes];
  };

  template <class Op>
  static F32x16 each(Op op) {
    F32x16 r;
    for (size_t i = 0; i < kLanes; ++i) r.lane[i] = op(i);
    return r;
  }

  static F32x16 broadcast(float s) {
    return each([=](size_t) { return s; });
  }
  static F32x16 load(const float* p) {
    return each([=](size_t i) { return p[i]; });
  }
  static F32x16 load_f16(const uint16_t* p) {
    return each([=](size_t i) { return f16_to_f32(p[i]); });
  }
  void store(float* p) const { std::memcpy(p, lane, sizeof lane); }
  // Lanes hold integers in -127..127.
  void store_int8(int8_t* p) const {
    for (size_t i = 0; i < kLanes; ++i) p[i] = static_cast<int8_t>(lane[i]);
  }

  template <int distance>
  F32x16 exchange() const {
    return each([&](size_t i) { return lane[i ^ distance]; });
  }

  friend F32x16 operator+(const F32x16& a, const F32x16& b) {
    return each([&](size_t i) { return a.lane[i] + b.lane[i]; });
  }
  friend F32x16 operator-(const F32x16& a, const F32x16& b) {
    return each([&](size_t i) { return a.lane[i] - b.lane[i]; });
  }
  friend F32x16 operator*(const F32x16& a, const F32x16& b) {
    return each([&](size_t i) { return a.lane[i] * b.lane[i]; });
  }
  friend F32x16 operator/(const F32x16& a, const F32x16& b) {
    return each([&](size_t i) { return a.lane[i] / b.lane[i]; });
  }
  friend F32x16 fma(const F32x16& a, const F32x16& b, const F32x16& c) {
    return each([&](size_t i) { return fma32(a.lane[i], b.lane[i], c.lane[i]); });
  }
  friend F32x16 abs(const F32x16& a) {
    return each([&](size_t i) { return std::bit_cast<float>(std::bit_cast<uint32_t>(a.lane[i]) & 0x7fffffffu); });
  }
  friend Mask greater(const F32x16& a, const F32x16& b) {
    Mask r;
    for (size_t i = 0; i < kLanes; ++i) r.lane[i] = a.lane[i] > b.lane[i];
    return r;
  }
  friend Mask ordered(const F32x16& a) {
    Mask r;
    for (size_t i = 0; i < kLanes; ++i) r.lane[i] = a.lane[i] == a.lane[i];
    return r;
  }
  friend F32x16 choose(const Mask& m, const F32x16& a, const F32x16& b) {
    return each([&](size_t i) { return m.lane[i] ? a.lane[i] : b.lane[i]; });
  }
  // p * 2^n by integer addition to the exponent; t holds n + kRoundMagic.
  friend F32x16 scale_by_power(const F32x16& p, const F32x16& t) {
    return each([&](size_t i) {
      return std::bit_cast<float>(std::bit_cast<uint32_t>(p.lane[i]) + (std::bit_cast<uint32_t>(t.lane[i]) << 23));
    });
  }
  friend float sum_lanes(F32x16 a) {
    for (size_t step = kLanes / 2; step != 0; step /= 2) {
      for (size_t i = 0; i < step; ++i) a.lane[i] = a.lane[i] + a.lane[i + step];
    }
    return a.lane[0];
  }
  friend float max_lanes(F32x16 a) {
    for (size_t step = kLanes / 2; step != 0; step /= 2) {
      for (size_t i = 0; i < step; ++i) a.lane[i] = a.lane[i] > a.lane[i + step] ? a.lane[i] : a.lane[i + step];
    }
    return a.lane[0];
  }
};

}  // namespace tern::simd
