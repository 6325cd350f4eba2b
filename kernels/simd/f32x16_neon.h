// F32x16 as four NEON registers (AArch64).
#pragma once

#include <arm_neon.h>

#include "kernels/simd/f32x16_xsimd.h"

namespace tern::simd {

struct Neon;

template <>
struct F32x16<Neon> : XsimdLanes<F32x16<Neon>, xsimd::neon64> {
  static F32x16 load_f16(const uint16_t* p) {
    return each([=](size_t i) { return Batch(vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + i * kWidth)))); });
  }
  void store_int8(int8_t* p) const {
    const int16x8_t low = vcombine_s16(vmovn_s32(vcvtq_s32_f32(part[0])), vmovn_s32(vcvtq_s32_f32(part[1])));
    const int16x8_t high = vcombine_s16(vmovn_s32(vcvtq_s32_f32(part[2])), vmovn_s32(vcvtq_s32_f32(part[3])));
    vst1q_s8(p, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
  }
  template <int distance>
  F32x16 exchange() const {
    return each([&](size_t i) {
      const float32x4_t v = part[i ^ (distance / 4)];
      if constexpr (distance == 2) return Batch(vextq_f32(v, v, 2));
      if constexpr (distance == 1) return Batch(vrev64q_f32(v));
      return Batch(v);
    });
  }
  friend F32x16 operator/(const F32x16& a, const F32x16& b) {
    return each([&](size_t i) { return Batch(vdivq_f32(a.part[i], b.part[i])); });
  }
  friend F32x16 fma(const F32x16& a, const F32x16& b, const F32x16& c) {
    return each([&](size_t i) { return Batch(vfmaq_f32(c.part[i], a.part[i], b.part[i])); });
  }
  friend float sum_lanes(const F32x16& a) {
    const float32x4_t four = vaddq_f32(vaddq_f32(a.part[0], a.part[2]), vaddq_f32(a.part[1], a.part[3]));
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
  }
  friend float max_lanes(const F32x16& a) {
    const float32x4_t four = vmaxq_f32(vmaxq_f32(a.part[0], a.part[2]), vmaxq_f32(a.part[1], a.part[3]));
    const float32x2_t two = vmax_f32(vget_low_f32(four), vget_high_f32(four));
    const float x = vget_lane_f32(two, 0), y = vget_lane_f32(two, 1);
    return x > y ? x : y;
  }
};

}  // namespace tern::simd
