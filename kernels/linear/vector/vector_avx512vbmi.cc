#include "kernels/linear/instantiate.h"
#include "kernels/linear/vector/vin8_permute.h"
#include "kernels/simd/table256_avx512vbmi.h"
#include "kernels/simd/tile_avx512vbmi.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_vin8_a8_mulfree_avx512vbmi, vin8_permute<Avx512Vbmi, Table256Vbmi>)

}  // namespace tern
