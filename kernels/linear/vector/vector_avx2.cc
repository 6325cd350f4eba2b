#include "kernels/linear/instantiate.h"
#include "kernels/linear/vector/vout.h"
#include "kernels/simd/float8_x86.h"
#include "kernels/simd/tile_avx2.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_vout_f32_dot_avx2, vout_dot<Avx2, Float8, 8>)

}  // namespace tern
