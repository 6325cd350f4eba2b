#include "kernels/linear/instantiate.h"
#include "kernels/linear/phase/phase_dot.h"
#include "kernels/simd/signs_avx512.h"
#include "kernels/simd/tile_avx512vnni.h"

namespace tern {

TERN_DEFINE_LINEAR(linear_phase_a8_dot_avx512vnni, phase_dot<Signs512<Avx512Vnni>>)

}  // namespace tern
