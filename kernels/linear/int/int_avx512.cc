#include "kernels/linear/instantiate.h"
#include "kernels/linear/int/int_chain.h"
#include "kernels/linear/int/int_dot.h"
#include "kernels/simd/tile_avx512.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_int4_a8_dot_avx512, int_dot<Avx512, 4>)
TERN_DEFINE_LINEAR(linear_int6_a8_dot_avx512, int_dot<Avx512, 6>)
TERN_DEFINE_LINEAR(linear_int8_a8_dot_avx512, int_dot<Avx512, 8>)
TERN_DEFINE_LINEAR(linear_int4_f32_dot_avx512, int_chain<Avx512, 4>)
TERN_DEFINE_LINEAR(linear_int6_f32_dot_avx512, int_chain<Avx512, 6>)
TERN_DEFINE_LINEAR(linear_int8_f32_dot_avx512, int_chain<Avx512, 8>)

}  // namespace tern
