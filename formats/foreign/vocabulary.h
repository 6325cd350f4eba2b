// Rules that every imported SentencePiece-style vocabulary must obey, whatever file it came from.
#pragma once

#include <string>

#include "base/status.h"
#include "formats/tern/description.h"

namespace tern {

// Pieces: not empty, valid UTF-8, no two alike, finite scores, exactly one of type unknown (the unknown id); byte
// pieces named "<0xHH>", all 256 present when byte_fallback is set; special ids inside the vocabulary.
Status check_vocabulary(const TokenizerData& data, const std::string& name);

}  // namespace tern
