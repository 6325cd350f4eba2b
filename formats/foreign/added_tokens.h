// Tokens that Hugging Face files add to a vocabulary: tokenizer.json's added_tokens, tokenizer_config.json's
// added_tokens_decoder. Special ones become control pieces, the others user-defined ones.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/status.h"
#include "formats/tern/description.h"

namespace tern {

struct AddedToken {
  int64_t id = 0;
  std::string content;
  bool special = false;
  bool normalized = false;  // looked for in the normalized text, after the others
};

// An array of objects with an id, or an object of ids and objects. Refuses lstrip, rstrip and single_word by name:
// they take characters around the token with it.
Result<std::vector<AddedToken>> read_added_tokens(const nlohmann::json& tokens, const std::string& name);

// Gives the pieces of those ids their texts and types; ids in between stay without a token. A token that the
// vocabulary has under another text, or under another id, is refused. byte_bpe; of sentencepiece_bpe only special
// tokens, and without gaps.
Status add_tokens(const std::vector<AddedToken>& tokens, const std::string& name, TokenizerData* data);

}  // namespace tern
