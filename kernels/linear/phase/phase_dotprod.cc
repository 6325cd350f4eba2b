#include "kernels/linear/instantiate.h"
#include "kernels/linear/phase/phase_dot.h"
#include "kernels/simd/signs_neon.h"
#include "kernels/simd/tile_dotprod.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_phase_a8_dot_dotprod, phase_dot<SignsNeon<NeonDot>>)

}  // namespace tern
