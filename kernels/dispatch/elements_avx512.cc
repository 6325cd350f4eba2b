#include "kernels/dispatch/elements_table.h"
#include "kernels/simd/f32x16_avx512.h"

namespace tern {

constinit const ElementKernels kElementsAvx512 =
    make_elements<simd::F32x16<simd::Avx512>>("avx512", cpu_avx2 | cpu_avx512);

}  // namespace tern
