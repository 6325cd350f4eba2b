#include <array>

#include "kernels/dispatch/elements_table.h"

namespace tern {

std::span<const ElementKernels> element_kernels() {
  static const std::array tables = {
#if defined(__x86_64__)
    kElementsAvx512,
    kElementsAvx2,
#elif defined(__aarch64__)
    kElementsNeon,
#endif
    kElementsScalar,
  };
  return tables;
}

const ElementKernels& select_elements(CpuFeatures features) {
  const std::span<const ElementKernels> tables = element_kernels();
  for (const ElementKernels& table : tables) {
    if ((table.needs & ~features) == 0) return table;
  }
  return tables.back();
}

}  // namespace tern
