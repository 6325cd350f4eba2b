#include "kernels/linear/instantiate.h"
#include "kernels/linear/vector/vin16.h"
#include "kernels/linear/vector/vin8_dot.h"
#include "kernels/linear/vector/vout.h"
#include "kernels/simd/float8_neon.h"
#include "kernels/simd/tile_neon.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_vout_f32_dot_neon, vout_dot<Neon, Float8, 8>)
TERN_DEFINE_LINEAR(linear_vin16_f32_dot_neon, vin16_dot<Neon, Float8>)
TERN_DEFINE_LINEAR(linear_vin8_f32_mulfree_neon, vin8_tables<Neon>)
TERN_DEFINE_LINEAR(linear_vin8_a8_dot_neon, vin8_dot<Neon, vin8_int_tables<Neon>>)

}  // namespace tern
