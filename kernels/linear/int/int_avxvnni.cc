#include "kernels/linear/instantiate.h"
#include "kernels/linear/int/int_dot.h"
#include "kernels/simd/tile_avxvnni.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_int4_a8_dot_avxvnni, int_dot<AvxVnni, 4>)
TERN_DEFINE_LINEAR(linear_int6_a8_dot_avxvnni, int_dot<AvxVnni, 6>)
TERN_DEFINE_LINEAR(linear_int8_a8_dot_avxvnni, int_dot<AvxVnni, 8>)

}  // namespace tern
