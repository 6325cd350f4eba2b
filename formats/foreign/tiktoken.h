// Byte-level BPE as tiktoken stores it: lines "base64-of-the-token rank". Llama 3 ships one as tokenizer.model.
// Patterns and special tokens are not in such a file; for Llama 3 they are those of Meta's release
// (llama/tokenizer.py).
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/status.h"
#include "formats/tern/description.h"

namespace tern {

inline constexpr size_t kLlama3Ranks = 128000;

// Whether the file begins with such a line: a SentencePiece model never does.
bool is_tiktoken(std::span<const std::byte> bytes);

// The ranks alone: piece = rank, rank_by_id, no patterns, no special pieces, no BOS. Every rank from 0 on must be
// there.
Result<TokenizerData> parse_tiktoken(std::span<const std::byte> bytes, const std::string& name);

// Gives parsed ranks Llama 3's pattern. Other counts of ranks are refused: their pattern is not known.
Status add_llama3_pattern(TokenizerData* data, const std::string& name);
// Llama 3's 256 special tokens after the ranks, BOS first in every text, and the two that end a text or a turn.
Status add_llama3_special(TokenizerData* data, const std::string& name);

// The pattern of Llama 3, one of cl100k's family.
extern const char* const kLlama3Pattern;

}  // namespace tern
