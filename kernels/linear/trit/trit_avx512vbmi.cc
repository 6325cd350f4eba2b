#include "kernels/linear/instantiate.h"
#include "kernels/linear/trit/trit_byte_tables.h"
#include "kernels/simd/tile_avx512vbmi.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_trit5_a8_mulfree_avx512vbmi, trit5_bytes_mulfree<Avx512Vbmi>)

}  // namespace tern
