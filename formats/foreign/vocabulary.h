// Rules that every imported vocabulary must obey, whatever file it came from.
#pragma once

#include <string>

#include "base/status.h"
#include "formats/tern/description.h"

namespace tern {

// sentencepiece_bpe: pieces not empty, valid UTF-8, no two alike, finite scores, exactly one of type unknown (the
// unknown id); byte pieces named "<0xHH>", all 256 present when byte_fallback is set; special ids inside the
// vocabulary. byte_bpe: what formats/tern/validate.h asks for, no two normal and no two special pieces alike, a normal
// piece for each of the 256 bytes.
Status check_vocabulary(const TokenizerData& data, const std::string& name);

// An empty vocabulary of kind byte_bpe: no rule of the other kind set, no BOS.
TokenizerData byte_bpe_vocabulary();

}  // namespace tern
