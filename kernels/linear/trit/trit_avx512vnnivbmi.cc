#include "kernels/linear/instantiate.h"
#include "kernels/linear/trit/trit_mixed_walk.h"
#include "kernels/simd/tile_avx512vnnivbmi.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_trit5_a8_dot_avx512vnnivbmi, trit_mixed<Avx512Vnni, FiveInByte<Avx512Vnni>, trit5_dot<Avx512VnniVbmi, Avx512Vnni>>)

}  // namespace tern
