#include "kernels/linear/trit/trit_dot.h"
#include "kernels/linear/instantiate.h"
#include "kernels/simd/tile_avxvnni.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_trit2_a8_dot_avxvnni, trit_dot<AvxVnni>)

}  // namespace tern
