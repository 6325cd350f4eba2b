#include "kernels/linear/instantiate.h"
#include "kernels/linear/phase/phase_chain.h"
#include "kernels/linear/phase/phase_dot.h"
#include "kernels/linear/phase/phase_tables.h"
#include "kernels/simd/signs_avx512.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_phase_a8_dot_avx512, phase_dot<Signs512<Avx512>>)
TERN_DEFINE_LINEAR(linear_phase_a8_mulfree_avx512, phase_mulfree<Signs512<Avx512>>)
TERN_DEFINE_LINEAR(linear_phase_f32_dot_avx512, phase_chain<Signs512<Avx512>>)

}  // namespace tern
