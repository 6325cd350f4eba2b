// The rules that a stored vocabulary keeps before anything runs on it, and what a piece stands for.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "formats/tern/description.h"

namespace tern {

inline constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";  // U+2581, a space inside pieces
inline constexpr size_t kMaxPieceBytes = 4096;                    // the library resegments unused pieces recursively
inline constexpr size_t kMaxVocabularyBytes = 256u << 20;
inline constexpr size_t kMaxNestedUserPieces = 64;  // prefixes of one another that the library can hold

// Fails with corrupt, naming the piece and the rule. Covers everything that sentencepiece
// would check, and what it would not: NUL bytes, nesting of user-defined pieces, lengths.
Status validate_vocabulary(const TokenizerData& data);

// Which ids stand for something: those of pieces with a text. A model's vocabulary may be larger (rows that fill up a
// matrix), and a numbering may have holes.
std::vector<bool> usable_tokens(const TokenizerData& data);

// The byte that "<0x0A>" stands for; -1 for any other text.
int byte_of_piece(std::string_view text);

}  // namespace tern
