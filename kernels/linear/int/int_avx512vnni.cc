#include "kernels/linear/instantiate.h"
#include "kernels/linear/int/int_dot.h"
#include "kernels/simd/tile_avx512vnni.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_int4_a8_dot_avx512vnni, int_dot<Avx512Vnni, 4>)
TERN_DEFINE_LINEAR(linear_int6_a8_dot_avx512vnni, int_dot<Avx512Vnni, 6>)
TERN_DEFINE_LINEAR(linear_int8_a8_dot_avx512vnni, int_dot<Avx512Vnni, 8>)

}  // namespace tern
