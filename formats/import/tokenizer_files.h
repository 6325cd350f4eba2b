// The tokenizer of a checkpoint: tokenizer.model beside it, or the file that the user names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "formats/import/source_model.h"

namespace tern {

// Stores the tokenizer in the model, or a metadata note that says why there is none. `eos` adds to the tokens that
// end a text. A vocabulary that does not have exactly config.vocab_size pieces is refused.
Status import_tokenizer(const std::string& directory, const std::string& named_path, const std::vector<int32_t>& eos,
                        SourceModel* model);

}  // namespace tern
