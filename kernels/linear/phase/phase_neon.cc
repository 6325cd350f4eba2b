#include "kernels/linear/instantiate.h"
#include "kernels/linear/phase/phase_chain.h"
#include "kernels/linear/phase/phase_dot.h"
#include "kernels/linear/phase/phase_tables.h"
#include "kernels/simd/signs_neon.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_phase_a8_dot_neon, phase_dot<SignsNeon<Neon>>)
TERN_DEFINE_LINEAR(linear_phase_a8_mulfree_neon, phase_mulfree<SignsNeon<Neon>>)
TERN_DEFINE_LINEAR(linear_phase_f32_dot_neon, phase_chain<SignsNeon<Neon>>)

}  // namespace tern
