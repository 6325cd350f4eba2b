// Small byte-level vocabularies for tests: the 256 bytes as pieces 0..255, then merges.
#pragma once

#include <cstdint>
#include <string>

#include "formats/tern/description.h"

namespace tern::test {

inline TokenizerData byte_level_vocabulary() {
  TokenizerData data;
  data.kind = TokenizerKind::byte_bpe;
  data.add_bos = data.add_dummy_prefix = data.escape_whitespaces = data.byte_fallback = false;
  for (int byte = 0; byte < 256; ++byte) {
    data.pieces.push_back({std::string(1, static_cast<char>(byte)), 0, PieceType::normal});
  }
  return data;
}

inline int32_t piece_id(const TokenizerData& data, const std::string& text) {
  for (size_t id = 0; id < data.pieces.size(); ++id) {
    if (data.pieces[id].text == text) return static_cast<int32_t>(id);
  }
  return -1;
}

// Both parts must be pieces; the result becomes one if it is none yet.
inline void add_merge(TokenizerData& data, const std::string& left, const std::string& right) {
  if (piece_id(data, left + right) < 0) data.pieces.push_back({left + right, 0, PieceType::normal});
  data.merges.emplace_back(piece_id(data, left), piece_id(data, right));
}

}  // namespace tern::test
