// Layers of AQLM (arXiv 2401.06118; Vahe1994/AQLM, inference_lib): vectors of neighbouring inputs, the sum of one entry
// of each codebook, times a scale for every output.
#pragma once

#include "formats/foreign/hf_vector_quantization.h"
#include "formats/import/huggingface_tensors.h"

namespace tern {

// Adds the layer `name` [rows, cols] that the checkpoint calls `module`. Refuses what does not fit together, by tensor.
Status add_aqlm_layer(const HfAqlm& config, const std::string& name, const std::string& module, uint64_t rows,
                      uint64_t cols, HuggingFaceTensors& tensors, SourceModel& model);

}  // namespace tern
