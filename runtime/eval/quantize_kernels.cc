#include "runtime/eval/quantize_kernels.h"

#include "base/cpu.h"
#include "kernels/dispatch/dispatch.h"

namespace tern {

const QuantizeKernels& quantize_kernels() {
  static const QuantizeKernels kernels = [] {
    const auto works = [](const ElementKernels& table) { return agrees_with_reference(table); };
    const ElementKernels& table = select_elements(detect_cpu().features, works);
    if (table.needs == 0) return kPlainKernels;  // loops over entries are faster than sixteen lanes in plain C++
    return QuantizeKernels{table.nearest_entry, table.entry_errors, table.lower_errors, table.add_rows};
  }();
  return kernels;
}

}  // namespace tern
