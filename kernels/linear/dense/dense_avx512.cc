#include "kernels/limits/peak.h"
#include "kernels/linear/dense/dense_chain.h"
#include "kernels/linear/instantiate.h"
#include "kernels/simd/tile_avx512.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_f32_f32_dot_avx512, dense_chain<Avx512, FloatType::f32>)
TERN_DEFINE_LINEAR(linear_f16_f32_dot_avx512, dense_chain<Avx512, FloatType::f16>)
TERN_DEFINE_LINEAR(linear_bf16_f32_dot_avx512, dense_chain<Avx512, FloatType::bf16>)
TERN_DEFINE_PEAK(f32_peak_avx512, f32_peak<Avx512, 16>)

}  // namespace tern
