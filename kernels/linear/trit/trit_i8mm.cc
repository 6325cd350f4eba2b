#include "kernels/limits/peak.h"
#include "kernels/linear/instantiate.h"
#include "kernels/linear/pair_dot.h"
#include "kernels/simd/tile_i8mm.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_trit2_a8_dot_i8mm, trit_pairs<NeonI8mm>)
TERN_DEFINE_LINEAR(linear_trit5_a8_dot_i8mm, trit5_pairs<NeonI8mm>)
TERN_DEFINE_PEAK(int8_peak_i8mm, int8_pairs_peak<NeonI8mm, 2>)

}  // namespace tern
