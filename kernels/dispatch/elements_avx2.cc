#include "kernels/dispatch/elements_table.h"
#include "kernels/simd/f32x16_avx2.h"

namespace tern {

constinit const ElementKernels kElementsAvx2 = make_elements<simd::F32x16<simd::Avx2>>("avx2", cpu_avx2);

}  // namespace tern
