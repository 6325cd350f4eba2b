// Layers of QuIP# (arXiv 2402.04396; Cornell-RelaxML/quip-sharp, lib/linear/quantized_linear.py, lib/codebook):
//   y = SV * H(W' (H^T (SU * x)))      W' of E8P codes, Wscale, and a residual code
// H is a Hadamard transform over n = K' * 2^p values. Several matrices of one order K' exist and a checkpoint does not
// say which it means; it must hold the one as a tensor `hadamard.<K'>` of 1 and -1, or is refused.
#pragma once

#include <vector>

#include "formats/foreign/hf_vector_quantization.h"
#include "formats/import/huggingface_tensors.h"

namespace tern {

// Adds the layer `name` [rows, cols] that the checkpoint calls `module`. Refuses what does not fit together, by tensor.
// parts: rows of the layers that are fused in it, each with a scale of its own (fuse_scales); one: a layer alone.
Status add_quip_layer(const HfQuip& config, const std::string& name, const std::string& module,
                      const std::vector<uint64_t>& parts, uint64_t cols, HuggingFaceTensors& tensors,
                      SourceModel& model);

}  // namespace tern
