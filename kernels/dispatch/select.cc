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

std::string_view family_rule(const LinearKernelEntry& chosen) {
  if (chosen.input != LinearInput::int8 || chosen.needs == 0) return {};
  const bool arm = (chosen.needs & cpu_neon) != 0, dot_instruction = (chosen.needs & ~cpu_neon) != 0;
  if (chosen.encoding == EncodingKind::phase) {
    return arm ? "tables before dot products: 43 instructions for 100 weights, 55 with sdot (counted)"
               : "tables before dot products: 1.2 to 2 times as fast in cache and in batches (measured on Zen 4)";
  }
  if (chosen.encoding != EncodingKind::trit) return {};
  if (!arm) return "dot products before tables: faster from memory and in batches (measured on Zen 3 and Zen 4)";
  if (dot_instruction) return "dot products before tables: fewer instructions with sdot (counted)";
  return chosen.bits == 2 ? "tables before dot products: 22 instructions for 100 weights, 27 with smlal (counted)"
                          : "dot products before tables: 36 instructions for 100 weights, 48 with tables (counted)";
}

const ElementKernels& select_elements(CpuFeatures features, const std::function<bool(const ElementKernels&)>& works) {
  const std::span<const ElementKernels> tables = element_kernels();
  for (const ElementKernels& table : tables.first(tables.size() - 1)) {
    if ((table.needs & ~features) == 0 && (!works || works(table))) return table;
  }
  return tables.back();
}

}  // namespace tern
