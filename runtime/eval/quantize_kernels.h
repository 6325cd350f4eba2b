// This CPU's kernels for quantizing vectors.
#pragma once

#include "formats/quantize/quantize_kernels.h"

namespace tern {

// Of the best element kernels that pass their self-check, which runs once; the plain ones where no ISA is left. Threads
// may ask at once.
const QuantizeKernels& quantize_kernels();

}  // namespace tern
