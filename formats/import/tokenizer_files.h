// The tokenizer of a checkpoint: what lies beside it, or the file that the user names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "formats/import/source_model.h"

namespace tern {

// Stores the tokenizer in the model, or a metadata note that says why there is none. Looked for in this order: a
// SentencePiece tokenizer.model, tokenizer.json, a tiktoken tokenizer.model, vocab.json with merges.txt; then
// tokenizer_config.json adds what it says. named_path: one of these files, a folder of them, or "none". `eos` adds to
// the tokens that end a text. A SentencePiece or llama2.c vocabulary that has not exactly config.vocab_size pieces is
// refused; the others may have less.
Status import_tokenizer(const std::string& directory, const std::string& named_path, const std::vector<int32_t>& eos,
                        SourceModel* model);

}  // namespace tern
