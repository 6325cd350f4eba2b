// Byte-level BPE as GPT-2 stores it: vocab.json, an object of tokens in the byte alphabet
// (formats/tern/byte_alphabet.h) to ids, and merges.txt, a pair of tokens a line, the first merges first.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "formats/tern/description.h"

namespace tern {

struct NamedText {
  std::string_view text;
  std::string name;  // of the file, for messages
};

// Pieces and merges alone: no patterns, no special pieces, no BOS.
Result<TokenizerData> parse_gpt2_bpe(const NamedText& vocab, const NamedText& merges);

// The two halves, for files that hold them together. Ids without a token become unused pieces without a text; a token
// outside the alphabet becomes an unused piece, since no text gives it (added_tokens.h may name it).
Status read_byte_vocabulary(const nlohmann::json& vocab, const std::string& name, TokenizerData* data);
using TokenPair = std::pair<std::string, std::string>;
Status add_byte_merges(const nlohmann::json& vocab, const std::vector<TokenPair>& merges, const std::string& name,
                       TokenizerData* data);
// The pair in "a b"; exactly one space.
Result<TokenPair> split_merge(std::string_view line, const std::string& where);

// GPT-2's own pattern, and that of Qwen2 and its successors.
extern const char* const kGpt2Pattern;
extern const char* const kQwen2Pattern;

}  // namespace tern
