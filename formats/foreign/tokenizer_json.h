// tokenizer.json of Hugging Face tokenizers, for BPE: byte-level ones become kind byte_bpe, those made from a
// SentencePiece model (byte fallback, U+2581 for a space) kind sentencepiece_bpe. A part that changes ids and is not
// understood is refused by name.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/status.h"
#include "formats/tern/description.h"

namespace tern {

Result<TokenizerData> parse_tokenizer_json(std::string_view text, const std::string& name);

// The parts that parse_tokenizer_json has checked the shape of: model.vocab, model.merges. For a model made from
// SentencePiece: merges must be all that the vocabulary allows, ordered by piece, so that scores say the same.
Result<TokenizerData> read_sentencepiece_json(const nlohmann::json& file, const std::string& name);
bool is_sentencepiece_json(const nlohmann::json& file);
// model.merges: "a b" or ["a", "b"], in order.
Result<std::vector<std::pair<std::string, std::string>>> read_json_merges(const nlohmann::json& model,
                                                                          const std::string& where);

}  // namespace tern
