// One ISA's table of element kernels, instantiated in kernels/dispatch/elements_<isa>.cc.
#pragma once

#include "kernels/activation/activation.h"
#include "kernels/activation/quantize.h"
#include "kernels/attention/attend.h"
#include "kernels/dispatch/dispatch.h"
#include "kernels/hadamard/transform.h"
#include "kernels/norm/rms_norm.h"
#include "kernels/quantize/add_rows.h"
#include "kernels/quantize/entries.h"
#include "kernels/rope/rope.h"
#include "kernels/sparse/sparse.h"

namespace tern {

template <class V>
constexpr ElementKernels make_elements(const char* isa, CpuFeatures needs) {
  return {isa,
          needs,
          rms_norm<V>,
          quantize_int8<V>,
          silu_mul<V>,
          relu2_mul<V>,
          complex_relu2_mul<V>,
          add<V>,
          add_scaled<V>,
          multiply<V>,
          to_f16<V>,
          rope_halves<V>,
          rope_interleaved<V>,
          attend_block<V>,
          hadamard<V>,
          add_sparse<V>,
          nearest_entry<V>,
          entry_errors<V>,
          lower_errors<V>,
          add_rows<V>};
}

extern const ElementKernels kElementsScalar, kElementsAvx2, kElementsAvx512, kElementsNeon;

// The tables of this build, best first.
#if defined(__x86_64__)
#define TERN_ELEMENT_TABLES kElementsAvx512, kElementsAvx2, kElementsScalar
#elif defined(__aarch64__)
#define TERN_ELEMENT_TABLES kElementsNeon, kElementsScalar
#else
#define TERN_ELEMENT_TABLES kElementsScalar
#endif

}  // namespace tern
