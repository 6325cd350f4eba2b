#include "runtime/eval/entry_kernels.h"

#include "base/cpu.h"
#include "kernels/dispatch/dispatch.h"

namespace tern {

const EntryKernels& entry_kernels() {
  static const EntryKernels kernels = [] {
    const auto works = [](const ElementKernels& table) { return agrees_with_reference(table); };
    const ElementKernels& table = select_elements(detect_cpu().features, works);
    return EntryKernels{table.nearest_entry, table.entry_errors, table.lower_errors};
  }();
  return kernels;
}

}  // namespace tern
