// The lists of kernels, apart from what chooses from them and in an object file of their own (no joined sources):
// a program that defines both functions itself, as tests/runtime/self_check_test.cc does, replaces them.
#include <array>

#include "kernels/dispatch/elements_table.h"
#include "kernels/linear/kernels.h"

namespace tern {

std::span<const LinearKernelEntry> linear_kernels() {
  static constexpr LinearKernelEntry kKernels[] = {
#define TERN_LINEAR(name, kind, bits, value, input, family, needs)                                      \
  {#name, EncodingKind::kind, bits, FloatType::value, LinearInput::input, KernelFamily::family, needs, \
   static_cast<LinearKernel>(name)},
#include "kernels/linear/kernels.inc"
#undef TERN_LINEAR
  };
  return kKernels;
}

std::span<const ElementKernels> element_kernels() {
  static const std::array tables = {TERN_ELEMENT_TABLES};
  return tables;
}

}  // namespace tern
