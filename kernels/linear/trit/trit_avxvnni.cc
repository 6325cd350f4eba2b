#include "kernels/limits/peak.h"
#include "kernels/linear/instantiate.h"
#include "kernels/linear/trit/trit_telescoped.h"
#include "kernels/simd/tile_avxvnni.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_trit2_a8_dot_avxvnni, trit_dot<AvxVnni>)
TERN_DEFINE_LINEAR(linear_trit5_a8_dot_avxvnni, trit5_telescoped<AvxVnni>)
TERN_DEFINE_PEAK(int8_peak_avxvnni, int8_peak<AvxVnni, 5>)

}  // namespace tern
