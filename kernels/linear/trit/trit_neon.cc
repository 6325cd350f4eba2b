#include "kernels/limits/peak.h"
#include "kernels/linear/float_chain.h"
#include "kernels/linear/instantiate.h"
#include "kernels/linear/trit/trit_tables.h"
#include "kernels/linear/trit/trit_unpacked.h"
#include "kernels/simd/tile_neon.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_trit2_a8_dot_neon, trit_dot<Neon>)
TERN_DEFINE_LINEAR(linear_trit2_a8_mulfree_neon, trit_mulfree<Neon>)
TERN_DEFINE_LINEAR(linear_trit2_f32_dot_neon, trit_chain<Neon>)
TERN_DEFINE_LINEAR(linear_trit5_a8_dot_neon, trit5_dot<Neon>)
TERN_DEFINE_LINEAR(linear_trit5_a8_mulfree_neon, trit_mulfree<Neon, FiveInByte<Neon>>)
TERN_DEFINE_LINEAR(linear_trit5_f32_dot_neon, trit_chain<Neon, FiveInByte<Neon>>)
TERN_DEFINE_PEAK(int8_peak_neon, int8_peak<Neon, 3>)

}  // namespace tern
