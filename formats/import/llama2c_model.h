// llama2.c checkpoints (versions 0 and 2) as a model: interleaved RoPE pairs, base 10000, norm eps 1e-5 (run.c).
#pragma once

#include <string>

#include "base/status.h"
#include "formats/import/source_model.h"

namespace tern {

// Fills everything but the tokenizer.
Result<SourceModel> import_llama2c(const std::string& path);

}  // namespace tern
