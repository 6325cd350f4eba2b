#include "kernels/linear/instantiate.h"
#include "kernels/linear/pair_dot.h"
#include "kernels/simd/tile_i8mm.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_int4_a8_dot_i8mm, int_pairs<NeonI8mm, 4>)
TERN_DEFINE_LINEAR(linear_int6_a8_dot_i8mm, int_pairs<NeonI8mm, 6>)
TERN_DEFINE_LINEAR(linear_int8_a8_dot_i8mm, int_pairs<NeonI8mm, 8>)

}  // namespace tern
