// Byte-pair encoding of text over a validated vocabulary: by the sentencepiece library, by our own byte pairs, or
// (TERN_TEXT=OFF) refused. Thread-safe after creation.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "formats/tern/description.h"

namespace tern {

class PieceEncoder {
 public:
  virtual ~PieceEncoder() = default;
  // Appends the ids of a text. sentencepiece_bpe: one that is already normalized, valid UTF-8, spaces as the pieces
  // have them. byte_bpe: any bytes without user-defined pieces in them.
  virtual Status encode(std::string_view text, std::vector<int32_t>& ids) const = 0;
};

// REQUIRES: validate_vocabulary(data) passed, the kind is that of the name.
Result<std::unique_ptr<PieceEncoder>> make_sentencepiece_encoder(const TokenizerData& data);
Result<std::unique_ptr<PieceEncoder>> make_byte_bpe_encoder(const TokenizerData& data);

// The vocabulary as a serialized SentencePiece ModelProto (sentencepiece_model.proto) of type BPE: the
// identity normalizer with the three flags of `data`, no character map.
std::string serialize_sentencepiece_model(const TokenizerData& data);

}  // namespace tern
