#include "kernels/limits/peak.h"
#include "kernels/linear/instantiate.h"
#include "kernels/linear/trit/trit_mixed_walk.h"
#include "kernels/linear/trit/trit_telescoped.h"
#include "kernels/simd/tile_avx512vnni.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_trit2_a8_dot_avx512vnni, trit_mixed<Avx512Vnni, TwoBits<Avx512Vnni>, trit_dot<Avx512Vnni>>)
TERN_DEFINE_LINEAR(linear_trit5_a8_dot_avx512vnni, trit_mixed<Avx512Vnni, FiveInByte<Avx512Vnni>, trit5_telescoped<Avx512Vnni>>)
TERN_DEFINE_PEAK(int8_peak_avx512vnni, int8_peak<Avx512Vnni, 16>)

}  // namespace tern
