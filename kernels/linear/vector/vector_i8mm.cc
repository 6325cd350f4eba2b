#include "kernels/linear/instantiate.h"
#include "kernels/linear/vector/vin8_dot.h"
#include "kernels/simd/tile_i8mm.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_vin8_a8_dot_i8mm, vin8_dot<NeonI8mm, vin8_int_tables<NeonI8mm>>)

}  // namespace tern
