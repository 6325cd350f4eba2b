// This CPU's kernels for quantizing vectors.
#pragma once

#include "formats/quantize/entry_kernels.h"

namespace tern {

// Of the best element kernels that pass their self-check; it runs once. Threads may ask at once.
const EntryKernels& entry_kernels();

}  // namespace tern
