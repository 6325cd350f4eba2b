#include "kernels/linear/int8/int8_dot.h"
#include "kernels/linear/instantiate.h"
#include "kernels/simd/tile_dotprod.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_int8_a8_dot_dotprod, int8_dot<NeonDot>)

}  // namespace tern
