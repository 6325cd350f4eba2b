#include "kernels/linear/instantiate.h"
#include "kernels/linear/int/int_chain.h"
#include "kernels/linear/int/int_dot.h"
#include "kernels/simd/tile_neon.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_int4_a8_dot_neon, int_dot<Neon, 4>)
TERN_DEFINE_LINEAR(linear_int6_a8_dot_neon, int_dot<Neon, 6>)
TERN_DEFINE_LINEAR(linear_int8_a8_dot_neon, int_dot<Neon, 8>)
TERN_DEFINE_LINEAR(linear_int4_f32_dot_neon, int_chain<Neon, 4>)
TERN_DEFINE_LINEAR(linear_int6_f32_dot_neon, int_chain<Neon, 6>)
TERN_DEFINE_LINEAR(linear_int8_f32_dot_neon, int_chain<Neon, 8>)

}  // namespace tern
