#include "kernels/linear/instantiate.h"
#include "kernels/linear/int/int_chain.h"
#include "kernels/linear/int/int_dot.h"
#include "kernels/simd/tile_avx2.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_int4_a8_dot_avx2, int_dot<Avx2, 4>)
TERN_DEFINE_LINEAR(linear_int6_a8_dot_avx2, int_dot<Avx2, 6>)
TERN_DEFINE_LINEAR(linear_int8_a8_dot_avx2, int_dot<Avx2, 8>)
TERN_DEFINE_LINEAR(linear_int4_f32_dot_avx2, int_chain<Avx2, 4>)
TERN_DEFINE_LINEAR(linear_int6_f32_dot_avx2, int_chain<Avx2, 6>)
TERN_DEFINE_LINEAR(linear_int8_f32_dot_avx2, int_chain<Avx2, 8>)

}  // namespace tern
