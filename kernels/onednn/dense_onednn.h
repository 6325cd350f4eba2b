// oneDNN for batches over dense float matrices (--dense onednn). No kernel of the list: oneDNN adds in an order of its
// own, so that results differ from promise 1 in their last bits. Programs link it; the library tern does not.
#pragma once

#include "kernels/dispatch/dispatch.h"

namespace tern {

// "linear_bf16_f32_dot_onednn" and so on, a LinearKernel like the others: it computes on the thread that calls it.
// Null in builds without oneDNN.
const LinearKernelEntry* onednn_kernel(FloatType type);

}  // namespace tern
