#include "kernels/linear/instantiate.h"
#include "kernels/linear/vector/vin8_dot.h"
#include "kernels/simd/tile_avx512vnni.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_vin8_a8_dot_avx512vnni, vin8_dot<Avx512Vnni, vin8_int_tables<Avx512Vnni>>)

}  // namespace tern
