// Hugging Face checkpoints of decoders: Llama, and BitNet b1.58 in its packed and dense forms.
// Names and shapes: transformers models/llama and models/bitnet; arithmetic of BitNet: arXiv 2402.17764, 2504.12285.
#pragma once

#include <memory>

#include "base/status.h"
#include "formats/foreign/hf_config.h"
#include "formats/foreign/safetensors.h"
#include "formats/import/source_model.h"

namespace tern {

// Fills everything but the tokenizer. Refuses missing, misshapen and unused tensors by name.
Result<SourceModel> import_huggingface(const HfConfig& config, std::shared_ptr<const TensorSet> tensors,
                                       const ImportOptions& options);

}  // namespace tern
