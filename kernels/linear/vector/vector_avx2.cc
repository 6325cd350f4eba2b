#include "kernels/linear/instantiate.h"
#include "kernels/linear/vector/vin16.h"
#include "kernels/linear/vector/vin8_dot.h"
#include "kernels/linear/vector/vout.h"
#include "kernels/simd/float8_x86.h"
#include "kernels/simd/tile_avx2.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_vout_f32_dot_avx2, vout_dot<Avx2, Float8, 8>)
TERN_DEFINE_LINEAR(linear_vin16_f32_dot_avx2, vin16_dot<Avx2, Float8>)
TERN_DEFINE_LINEAR(linear_vin8_f32_mulfree_avx2, vin8_tables<Avx2>)
TERN_DEFINE_LINEAR(linear_vin8_a8_dot_avx2, vin8_dot<Avx2, vin8_int_tables<Avx2>>)

}  // namespace tern
