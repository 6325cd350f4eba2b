#include "kernels/linear/instantiate.h"
#include "kernels/linear/phase/phase_chain.h"
#include "kernels/linear/phase/phase_dot.h"
#include "kernels/linear/phase/phase_tables.h"
#include "kernels/simd/signs_avx2.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_phase_a8_dot_avx2, phase_dot<Signs256<Avx2>>)
TERN_DEFINE_LINEAR(linear_phase_a8_mulfree_avx2, phase_mulfree<Signs256<Avx2>>)
TERN_DEFINE_LINEAR(linear_phase_f32_dot_avx2, phase_chain<Signs256<Avx2>>)

}  // namespace tern
