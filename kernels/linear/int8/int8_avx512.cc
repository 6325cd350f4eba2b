#include "kernels/linear/float_chain.h"
#include "kernels/linear/instantiate.h"
#include "kernels/linear/int8/int8_dot.h"
#include "kernels/simd/tile_avx512.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_int8_a8_dot_avx512, int8_dot<Avx512>)
TERN_DEFINE_LINEAR(linear_int8_f32_dot_avx512, int8_chain<Avx512>)

}  // namespace tern
