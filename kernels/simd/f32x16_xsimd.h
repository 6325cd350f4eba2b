// What F32x16 takes from xsimd, for ISAs whose batches hold 16 / N lanes: load, store, add, subtract, multiply,
// compare, select. The rest comes from the ISA's own header: xsimd 8.1 does not fuse on every ISA, divides by an
// approximate reciprocal on NEON, and adds lanes in other orders.
#pragma once

#include <xsimd/xsimd.hpp>

#include "kernels/simd/f32x16.h"

namespace tern::simd {

// Self: the F32x16<Isa> that derives from it. Arch: the xsimd architecture.
template <class Self, class Arch>
struct XsimdLanes {
  using Batch = xsimd::batch<float, Arch>;
  using Bits = xsimd::batch<uint32_t, Arch>;
  static constexpr size_t kWidth = Batch::size;
  static constexpr size_t kParts = kLanes / kWidth;
  Batch part[kParts];

  struct Mask {
    xsimd::batch_bool<float, Arch> part[kParts];
  };

  template <class Op>
  static Self each(Op op) {
    Self r;
    for (size_t i = 0; i < kParts; ++i) r.part[i] = op(i);
    return r;
  }

  static Self broadcast(float s) {
    return each([=](size_t) { return Batch(s); });
  }
  static Self load(const float* p) {
    return each([=](size_t i) { return Batch::load_unaligned(p + i * kWidth); });
  }
  void store(float* p) const {
    for (size_t i = 0; i < kParts; ++i) part[i].store_unaligned(p + i * kWidth);
  }

  friend Self operator+(const Self& a, const Self& b) {
    return each([&](size_t i) { return a.part[i] + b.part[i]; });
  }
  friend Self operator-(const Self& a, const Self& b) {
    return each([&](size_t i) { return a.part[i] - b.part[i]; });
  }
  friend Self operator*(const Self& a, const Self& b) {
    return each([&](size_t i) { return a.part[i] * b.part[i]; });
  }
  friend Self abs(const Self& a) {
    return each(
        [&](size_t i) { return xsimd::bitwise_cast<Batch>(xsimd::bitwise_cast<Bits>(a.part[i]) & Bits(0x7fffffffu)); });
  }
  friend Mask greater(const Self& a, const Self& b) {
    Mask r;
    for (size_t i = 0; i < kParts; ++i) r.part[i] = a.part[i] > b.part[i];
    return r;
  }
  friend Mask ordered(const Self& a) {
    Mask r;
    for (size_t i = 0; i < kParts; ++i) r.part[i] = a.part[i] == a.part[i];
    return r;
  }
  friend Self choose(const Mask& m, const Self& a, const Self& b) {
    return each([&](size_t i) { return xsimd::select(m.part[i], a.part[i], b.part[i]); });
  }
  // p * 2^n by integer addition to the exponent; t holds n + kRoundMagic.
  friend Self scale_by_power(const Self& p, const Self& t) {
    return each([&](size_t i) {
      return xsimd::bitwise_cast<Batch>(xsimd::bitwise_cast<Bits>(p.part[i]) +
                                        (xsimd::bitwise_cast<Bits>(t.part[i]) << 23));
    });
  }
};

}  // namespace tern::simd
