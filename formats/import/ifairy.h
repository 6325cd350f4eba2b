// iFairy (Fairy+-i, arXiv 2508.05571; PKU-DS-LAB/Fairy-plus-minus-i-700M and -1.3B): a decoder of complex numbers with
// weights trained to be 1, i, -1, -i, whose checkpoints hold bf16 masters as tensors weight_real and weight_imag.
#pragma once

#include <memory>

#include "base/status.h"
#include "formats/foreign/hf_config.h"
#include "formats/foreign/safetensors.h"
#include "formats/import/source_model.h"

namespace tern {

// Fills everything but the tokenizer; widths of the config become twice as many real ones. Refuses missing, misshapen
// and unused tensors by name.
Result<SourceModel> import_ifairy(const HfConfig& config, std::shared_ptr<const TensorSet> tensors);

}  // namespace tern
