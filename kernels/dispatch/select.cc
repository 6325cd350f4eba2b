#include "kernels/dispatch/dispatch.h"

namespace tern {
namespace {

uint8_t kernel_bits(const Encoding& e) {
  if (e.kind == EncodingKind::phase) return 0;  // with and without U
  if (e.kind != EncodingKind::vector) return e.bits;
  if (e.axis == VectorAxis::output) return 0;
  return e.bits <= 8 ? 8 : 16;
}

bool serves(const LinearKernelEntry& kernel, const Encoding& encoding, LinearInput input) {
  if (kernel.encoding != encoding.kind || kernel.input != input) return false;
  if (encoding.kind == EncodingKind::dense) return kernel.value_type == encoding.value_type;
  return kernel.bits == kernel_bits(encoding);
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
