#include "kernels/linear/float_chain.h"
#include "kernels/linear/instantiate.h"
#include "kernels/linear/int8/int8_dot.h"
#include "kernels/simd/tile_neon.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_int8_a8_dot_neon, int8_dot<Neon>)
TERN_DEFINE_LINEAR(linear_int8_f32_dot_neon, int8_chain<Neon>)

}  // namespace tern
