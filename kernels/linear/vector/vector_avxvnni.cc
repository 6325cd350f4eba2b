#include "kernels/linear/instantiate.h"
#include "kernels/linear/vector/vin8_dot.h"
#include "kernels/simd/tile_avxvnni.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_vin8_a8_dot_avxvnni, vin8_dot<AvxVnni, vin8_int_tables<AvxVnni>>)

}  // namespace tern
