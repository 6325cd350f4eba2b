#include "kernels/linear/instantiate.h"
#include "kernels/linear/vector/vin8_dot.h"
#include "kernels/linear/vector/vin8_permute.h"
#include "kernels/simd/table256_avx512vbmi.h"
#include "kernels/simd/tile_avx512vnni.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_vin8_a8_dot_avx512vnnivbmi, vin8_dot<Avx512Vnni, vin8_permute<Avx512Vnni, Table256Vbmi>>)

}  // namespace tern
