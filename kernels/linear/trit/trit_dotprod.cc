#include "kernels/limits/peak.h"
#include "kernels/linear/instantiate.h"
#include "kernels/linear/trit/trit_telescoped.h"
#include "kernels/simd/tile_dotprod.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_trit2_a8_dot_dotprod, trit_dot<NeonDot>)
TERN_DEFINE_LINEAR(linear_trit5_a8_dot_dotprod, trit5_telescoped<NeonDot>)
TERN_DEFINE_PEAK(int8_peak_dotprod, int8_peak<NeonDot, 6>)

}  // namespace tern
