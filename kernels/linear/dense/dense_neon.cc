#include "kernels/limits/peak.h"
#include "kernels/linear/dense/dense_chain.h"
#include "kernels/linear/instantiate.h"
#include "kernels/simd/tile_neon.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_f32_f32_dot_neon, dense_chain<Neon, FloatType::f32>)
TERN_DEFINE_LINEAR(linear_f16_f32_dot_neon, dense_chain<Neon, FloatType::f16>)
TERN_DEFINE_LINEAR(linear_bf16_f32_dot_neon, dense_chain<Neon, FloatType::bf16>)
TERN_DEFINE_PEAK(f32_peak_neon, f32_peak<Neon, 6>)

}  // namespace tern
