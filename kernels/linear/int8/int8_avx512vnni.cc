#include "kernels/linear/int8/int8_dot.h"
#include "kernels/linear/instantiate.h"
#include "kernels/simd/tile_avx512vnni.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_int8_a8_dot_avx512vnni, int8_dot<Avx512Vnni>)

}  // namespace tern
