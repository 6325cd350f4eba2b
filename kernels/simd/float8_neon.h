// Eight floats of one vector of a codebook: two registers. Internal linkage, as in tile_avx2.h.
#pragma once

#include <arm_neon.h>

#include <cstddef>

#include "kernels/simd/entry.h"
#include "kernels/simd/unroll.h"

namespace tern {
namespace {

struct Float8 {
  float32x4_t lo, hi;

  TERN_INLINE static Float8 zero() { return broadcast(0); }
  TERN_INLINE static Float8 broadcast(float f) { return {vdupq_n_f32(f), vdupq_n_f32(f)}; }
  TERN_INLINE static Float8 fma(Float8 a, Float8 b, Float8 c) {
    return {vfmaq_f32(c.lo, a.lo, b.lo), vfmaq_f32(c.hi, a.hi, b.hi)};
  }
  TERN_INLINE static Float8 add(Float8 a, Float8 b) { return {vaddq_f32(a.lo, b.lo), vaddq_f32(a.hi, b.hi)}; }
  TERN_INLINE void store(float* p) const {
    vst1q_f32(p, lo);
    vst1q_f32(p + 4, hi);
  }

  // Values of one type side by side; four: the rest is zero, and nothing behind them is read.
  template <EntryType type>
  TERN_INLINE static Float8 load(const std::byte* p) {
    if constexpr (type == EntryType::int8) return from_bytes(vld1_u8(reinterpret_cast<const uint8_t*>(p)));
    return {four<type>(p, 0), four<type>(p, 4)};
  }
  template <EntryType type>
  TERN_INLINE static Float8 load_four(const std::byte* p) {
    if constexpr (type == EntryType::int8) {
      uint32_t bytes = 0;
      __builtin_memcpy(&bytes, p, sizeof bytes);
      return from_bytes(vcreate_u8(0x8080808000000000u | bytes));
    }
    return {four<type>(p, 0), vdupq_n_f32(0)};
  }

 private:
  TERN_INLINE static Float8 from_bytes(uint8x8_t bytes) {
    const int16x8_t values = vmovl_s8(vreinterpret_s8_u8(veor_u8(bytes, vdup_n_u8(0x80))));
    return {vcvtq_f32_s32(vmovl_s16(vget_low_s16(values))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(values)))};
  }
  template <EntryType type>
  TERN_INLINE static float32x4_t four(const std::byte* p, int from) {
    if constexpr (type == EntryType::f32) return vld1q_f32(reinterpret_cast<const float*>(p) + from);
    const uint16x4_t halves = vld1_u16(reinterpret_cast<const uint16_t*>(p) + from);
    if constexpr (type == EntryType::f16) return vcvt_f32_f16(vreinterpret_f16_u16(halves));
    return vreinterpretq_f32_u32(vshll_n_u16(halves, 16));
  }
};

}  // namespace
}  // namespace tern
