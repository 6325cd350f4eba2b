#include "kernels/linear/instantiate.h"
#include "kernels/linear/phase/phase_dot.h"
#include "kernels/simd/signs_neon.h"
#include "kernels/simd/tile_i8mm.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_phase_a8_dot_i8mm, phase_dot<SignsNeon<NeonI8mm>, PairSteps<SignsNeon<NeonI8mm>>>)

}  // namespace tern
