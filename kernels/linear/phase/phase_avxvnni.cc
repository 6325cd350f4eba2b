#include "kernels/linear/instantiate.h"
#include "kernels/linear/phase/phase_dot.h"
#include "kernels/simd/signs_avx2.h"
#include "kernels/simd/tile_avxvnni.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_phase_a8_dot_avxvnni, phase_dot<Signs256<AvxVnni>>)

}  // namespace tern
