#include "kernels/linear/instantiate.h"
#include "kernels/linear/vector/vin16.h"
#include "kernels/linear/vector/vin8_dot.h"
#include "kernels/linear/vector/vout.h"
#include "kernels/simd/float8_x86.h"
#include "kernels/simd/tile_avx512.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_vout_f32_dot_avx512, vout_dot<Avx512, Float8, 16>)
TERN_DEFINE_LINEAR(linear_vin16_f32_dot_avx512, vin16_dot<Avx512, Float8>)
TERN_DEFINE_LINEAR(linear_vin8_f32_mulfree_avx512, vin8_tables<Avx512>)
TERN_DEFINE_LINEAR(linear_vin8_a8_dot_avx512, vin8_dot<Avx512, vin8_int_tables<Avx512>>)

}  // namespace tern
