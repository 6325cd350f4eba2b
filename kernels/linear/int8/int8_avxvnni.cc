#include "kernels/linear/int8/int8_dot.h"
#include "kernels/linear/instantiate.h"
#include "kernels/simd/tile_avxvnni.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_int8_a8_dot_avxvnni, int8_dot<AvxVnni>)

}  // namespace tern
