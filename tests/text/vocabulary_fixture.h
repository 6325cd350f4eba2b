// Small vocabularies for tests: control pieces, bytes, characters and a few merges.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "formats/tern/description.h"

namespace tern::test {

inline void add_piece(TokenizerData& data, const std::string& text, PieceType type = PieceType::normal) {
  // Earlier pieces merge first, as in a trained BPE model.
  const float score = type == PieceType::normal ? -static_cast<float>(data.pieces.size()) : 0;
  data.pieces.push_back({text, score, type});
}

// <unk> 0, <s> 1, </s> 2, bytes 3..258, then `pieces` from 259 on.
inline TokenizerData byte_vocabulary(const std::vector<std::string>& pieces) {
  TokenizerData data;
  add_piece(data, "<unk>", PieceType::unknown);
  add_piece(data, "<s>", PieceType::control);
  add_piece(data, "</s>", PieceType::control);
  data.unknown = 0, data.bos = 1, data.eos = 2, data.stop_ids = {2};
  for (int byte = 0; byte < 256; ++byte) {
    char text[8];
    std::snprintf(text, sizeof text, "<0x%02X>", byte);
    add_piece(data, text, PieceType::byte);
  }
  for (const std::string& piece : pieces) add_piece(data, piece);
  return data;
}

inline constexpr int32_t kFirstPiece = 259;

// The same without bytes: what is not a piece is unknown. Pieces from 3 on.
inline TokenizerData plain_vocabulary(const std::vector<std::string>& pieces) {
  TokenizerData data = byte_vocabulary({});
  data.pieces.resize(3);
  data.byte_fallback = false;
  for (const std::string& piece : pieces) add_piece(data, piece);
  return data;
}

}  // namespace tern::test
