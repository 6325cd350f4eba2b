// SentencePiece models (tokenizer.model): an own bounded reader of the protobuf wire format, so that foreign bytes
// never reach the library. Schema: google/sentencepiece src/sentencepiece_model.proto.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/status.h"
#include "formats/tern/description.h"

namespace tern {

// BPE models with the identity normalizer (no character map). Everything else that changes how text is
// cut is refused by name. stop_ids holds the model's eos.
Result<TokenizerData> parse_sentencepiece(std::span<const std::byte> bytes, const std::string& name);

}  // namespace tern
