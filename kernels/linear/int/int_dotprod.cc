#include "kernels/linear/instantiate.h"
#include "kernels/linear/int/int_dot.h"
#include "kernels/simd/tile_dotprod.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_int4_a8_dot_dotprod, int_dot<NeonDot, 4>)
TERN_DEFINE_LINEAR(linear_int6_a8_dot_dotprod, int_dot<NeonDot, 6>)
TERN_DEFINE_LINEAR(linear_int8_a8_dot_dotprod, int_dot<NeonDot, 8>)

}  // namespace tern
