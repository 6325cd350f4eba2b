#include "kernels/dispatch/dispatch.h"
#include "kernels/linear/kernels.h"

namespace tern {
namespace {

constexpr LinearKernelEntry kKernels[] = {
#define TERN_LINEAR(name, kind, bits, value, input, family, needs)                                      \
  {#name, EncodingKind::kind, bits, FloatType::value, LinearInput::input, KernelFamily::family, needs, \
   static_cast<LinearKernel>(name)},
#include "kernels/linear/kernels.inc"
#undef TERN_LINEAR
};

bool serves(const LinearKernelEntry& kernel, const Encoding& encoding, LinearInput input) {
  if (kernel.encoding != encoding.kind || kernel.input != input) return false;
  if (encoding.kind == EncodingKind::dense) return kernel.value_type == encoding.value_type;
  return kernel.bits == encoding.bits;
}

}  // namespace

std::span<const LinearKernelEntry> linear_kernels() { return kKernels; }

const LinearKernelEntry* select_linear(const Encoding& encoding, LinearInput input, CpuFeatures features,
                                       std::optional<KernelFamily> family) {
  for (const LinearKernelEntry& kernel : kKernels) {
    if (!serves(kernel, encoding, input) || (kernel.needs & ~features) != 0) continue;
    if (family && kernel.family != *family && kernel.family != KernelFamily::reference) continue;
    return &kernel;
  }
  return nullptr;
}

}  // namespace tern
