// Layers of VPTQ (arXiv 2409.17066; microsoft/VPTQ, vptq/layers/vqlinear.py, vptq/utils/pack.py): vectors run along the
// output axis; columns stand in an order of their own, outlier columns first, then groups with codebooks of their own.
//   W[o, perm[s]] = (C_g[index] + R_g[residual index])[o, s] * weight_scale[perm[s]] + weight_bias[perm[s]]
// As a composition: scale the input, permute it (not needed with one group and no outliers: the indices are stored in
// the input's order), a term for each codebook, and the bias as a term of rank 1.
#pragma once

#include "formats/foreign/hf_vector_quantization.h"
#include "formats/import/huggingface_tensors.h"

namespace tern {

// Adds the layer `name` [rows, cols] that the checkpoint calls `module`. Refuses what does not fit together, by tensor.
Status add_vptq_layer(const HfVptqLayer& config, const std::string& name, const std::string& module, uint64_t rows,
                      uint64_t cols, HuggingFaceTensors& tensors, SourceModel& model);

}  // namespace tern
