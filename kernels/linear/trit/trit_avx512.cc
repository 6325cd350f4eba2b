#include "kernels/limits/peak.h"
#include "kernels/linear/float_chain.h"
#include "kernels/linear/instantiate.h"
#include "kernels/linear/trit/trit_tables.h"
#include "kernels/linear/trit/trit_unpacked.h"
#include "kernels/simd/tile_avx512.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_trit2_a8_dot_avx512, trit_dot<Avx512>)
TERN_DEFINE_LINEAR(linear_trit2_a8_mulfree_avx512, trit_mulfree<Avx512>)
TERN_DEFINE_LINEAR(linear_trit2_f32_dot_avx512, trit_chain<Avx512>)
TERN_DEFINE_LINEAR(linear_trit5_a8_dot_avx512, trit5_dot<Avx512>)
TERN_DEFINE_LINEAR(linear_trit5_a8_mulfree_avx512, trit_mulfree<Avx512, FiveInByte<Avx512>>)
TERN_DEFINE_LINEAR(linear_trit5_f32_dot_avx512, trit_chain<Avx512, FiveInByte<Avx512>>)
TERN_DEFINE_PEAK(int8_peak_avx512, int8_peak<Avx512, 16>)

}  // namespace tern
