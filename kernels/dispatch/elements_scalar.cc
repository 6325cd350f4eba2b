#include "kernels/dispatch/elements_table.h"
#include "kernels/simd/f32x16_scalar.h"

namespace tern {

constinit const ElementKernels kElementsScalar = make_elements<simd::F32x16<simd::Scalar>>("scalar", 0);

}  // namespace tern
