#include "kernels/limits/peak.h"
#include "kernels/linear/float_chain.h"
#include "kernels/linear/instantiate.h"
#include "kernels/linear/trit/trit_tables.h"
#include "kernels/linear/trit/trit_unpacked.h"
#include "kernels/simd/tile_avx2.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_trit2_a8_dot_avx2, trit_dot<Avx2>)
TERN_DEFINE_LINEAR(linear_trit2_a8_mulfree_avx2, trit_mulfree<Avx2>)
TERN_DEFINE_LINEAR(linear_trit2_f32_dot_avx2, trit_chain<Avx2>)
TERN_DEFINE_LINEAR(linear_trit5_a8_dot_avx2, trit5_dot<Avx2>)
TERN_DEFINE_LINEAR(linear_trit5_a8_mulfree_avx2, trit_mulfree<Avx2, FiveInByte<Avx2>>)
TERN_DEFINE_LINEAR(linear_trit5_f32_dot_avx2, trit_chain<Avx2, FiveInByte<Avx2>>)
TERN_DEFINE_PEAK(int8_peak_avx2, int8_peak<Avx2, 5>)

}  // namespace tern
