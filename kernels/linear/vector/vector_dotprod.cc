#include "kernels/linear/instantiate.h"
#include "kernels/linear/vector/vin8_dot.h"
#include "kernels/simd/tile_dotprod.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_vin8_a8_dot_dotprod, vin8_dot<NeonDot, vin8_int_tables<NeonDot>>)

}  // namespace tern
