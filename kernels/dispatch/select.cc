#include "kernels/dispatch/dispatch.h"

namespace tern {
namespace {

bool serves(const LinearKernelEntry& kernel, const Encoding& encoding, LinearInput input) {
  if (kernel.encoding != encoding.kind || kernel.input != input) return false;
  if (encoding.kind == EncodingKind::dense) return kernel.value_type == encoding.value_type;
  if (encoding.kind == EncodingKind::phase) return true;  // with and without U
  return kernel.bits == encoding.bits;
}

}  // namespace

const LinearKernelEntry* select_linear(const Encoding& encoding, LinearInput input, CpuFeatures features,
                                       std::optional<KernelFamily> family,
                                       const std::function<bool(const LinearKernelEntry&)>& works) {
  for (const LinearKernelEntry& kernel : linear_kernels()) {
    if (!serves(kernel, encoding, input) || (kernel.needs & ~features) != 0) continue;
    if (family && kernel.family != *family && kernel.family != KernelFamily::reference) continue;
    if (!works || works(kernel)) return &kernel;
  }
  return nullptr;
}

const ElementKernels& select_elements(CpuFeatures features, const std::function<bool(const ElementKernels&)>& works) {
  const std::span<const ElementKernels> tables = element_kernels();
  for (const ElementKernels& table : tables.first(tables.size() - 1)) {
    if ((table.needs & ~features) == 0 && (!works || works(table))) return table;
  }
  return tables.back();
}

}  // namespace tern
