// The tokenizers of each kind. REQUIRES: validate_vocabulary(data) passed, the kind is that of the name.
#pragma once

#include <memory>

#include "base/status.h"
#include "runtime/text/tokenizer.h"

namespace tern {

Result<std::unique_ptr<Tokenizer>> make_sentencepiece_tokenizer(const TokenizerData& data);
Result<std::unique_ptr<Tokenizer>> make_byte_bpe_tokenizer(const TokenizerData& data);

}  // namespace tern
