#include "kernels/dispatch/elements_table.h"
#include "kernels/simd/f32x16_neon.h"

namespace tern {

constinit const ElementKernels kElementsNeon = make_elements<simd::F32x16<simd::Neon>>("neon", cpu_neon);

}  // namespace tern
