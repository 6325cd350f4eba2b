#include "kernels/linear/trit/trit_dot.h"
#include "kernels/linear/instantiate.h"
#include "kernels/simd/tile_avx512vnni.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_trit2_a8_dot_avx512vnni, trit_dot<Avx512Vnni>)

}  // namespace tern
