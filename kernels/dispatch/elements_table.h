// One ISA's table of element kernels, instantiated in kernels/dispatch/elements_<isa>.cc.
#pragma once

#include "kernels/activation/activation.h"
#include "kernels/activation/quantize.h"
#include "kernels/attention/attend.h"
#include "kernels/dispatch/dispatch.h"
#include "kernels/norm/rms_norm.h"
#include "kernels/rope/rope.h"

namespace tern {

template <class V>
constexpr ElementKernels make_elements(const char* isa, CpuFeatures needs) {
  return {isa,    needs,     rms_norm<V>,    quantize_int8<V>,    silu_mul<V>,    relu2_mul<V>,
          add<V>, to_f16<V>, rope_halves<V>, rope_interleaved<V>, attend_block<V>};
}

extern const ElementKernels kElementsScalar, kElementsAvx2, kElementsAvx512, kElementsNeon;

}  // namespace tern
