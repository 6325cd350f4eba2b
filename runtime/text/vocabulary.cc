#include "runtime/text/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <bitset>
#include <cmath>
#include <string>
#include <unordered_map>
#include <vector>

#include "formats/tern/limits.h"
#include "formats/tern/utf8.h"
#include "formats/tern/validate.h"

namespace tern {
namespace {

Status piece_error(size_t id, const std::string& rule) {
  return corrupt(fmt::format("tokenizer: piece {}: {}", id, rule));
}

Status check_piece(size_t id, const Piece& piece) {
  if (piece.text.empty()) return piece_error(id, "its text is empty");
  if (piece.text.size() > kMaxPieceBytes) {
    return piece_error(
        id, fmt::format("its text has {} bytes, at most {} are supported", piece.text.size(), kMaxPieceBytes));
  }
  if (!is_valid_utf8(piece.text)) return piece_error(id, "its text is not valid UTF-8");
  if (piece.text.find('\0') != std::string::npos) return piece_error(id, "its text holds a NUL byte");
  if (!std::isfinite(piece.score))
    return piece_error(id, fmt::format("its score is {}, expected a finite number", piece.score));
  // The library looks single characters up among control pieces too: text could then forge them.
  const size_t characters = static_cast<size_t>(
      std::count_if(piece.text.begin(), piece.text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
  if (piece.type == PieceType::control && characters == 1) {
    return piece_error(id, fmt::format("control piece '{}' is a single character, which text could forge", piece.text));
  }
  const int type = static_cast<int>(piece.type);
  if (type < 1 || type > 6) return piece_error(id, fmt::format("its type is {}, expected 1 to 6", type));
  return {};
}

Status check_texts(const std::vector<Piece>& pieces) {
  std::unordered_map<std::string_view, size_t> seen;
  seen.reserve(pieces.size());
  size_t bytes = 0;
  for (size_t id = 0; id < pieces.size(); ++id) {
    TERN_TRY(check_piece(id, pieces[id]));
    const auto [first, fresh] = seen.emplace(pieces[id].text, id);
    if (!fresh)
      return piece_error(id, fmt::format("its text '{}' is that of piece {} too", pieces[id].text, first->second));
    bytes += pieces[id].text.size();
    if (bytes > kMaxVocabularyBytes)
      return corrupt(fmt::format("tokenizer: pieces hold more than {} bytes", kMaxVocabularyBytes));
  }
  return {};
}

Status check_byte_pieces(const TokenizerData& data) {
  std::bitset<256> found;
  for (size_t id = 0; id < data.pieces.size(); ++id) {
    if (data.pieces[id].type != PieceType::byte) continue;
    if (!data.byte_fallback) return piece_error(id, "it is a byte piece, but byte_fallback is off");
    const int byte = byte_of_piece(data.pieces[id].text);
    if (byte < 0) return piece_error(id, fmt::format("'{}' is not a byte piece such as <0x0A>", data.pieces[id].text));
    found.set(static_cast<size_t>(byte));  // texts are unique, so no byte comes twice
  }
  if (data.byte_fallback && !found.all()) {
    return corrupt(fmt::format("tokenizer: byte_fallback needs 256 byte pieces, {} found", found.count()));
  }
  return {};
}

// The library's trie search writes one result per user-defined piece that begins the text into an
// array of 64, without a check.
Status check_nesting(const std::vector<Piece>& pieces) {
  std::vector<std::string_view> texts;
  for (const Piece& piece : pieces) {
    if (piece.type == PieceType::user_defined) texts.push_back(piece.text);
  }
  std::sort(texts.begin(), texts.end());
  std::vector<std::string_view> chain;  // each a prefix of the next
  for (const std::string_view text : texts) {
    while (!chain.empty() && !text.starts_with(chain.back())) chain.pop_back();
    chain.push_back(text);
    if (chain.size() > kMaxNestedUserPieces) {
      return unsupported(
          fmt::format("tokenizer: more than {} user-defined pieces begin with one another, the last '{}'",
                      kMaxNestedUserPieces, text));
    }
  }
  return {};
}

Status check_unknown(const TokenizerData& data) {
  int32_t unknown = -1;
  for (size_t id = 0; id < data.pieces.size(); ++id) {
    if (data.pieces[id].type != PieceType::unknown) continue;
    if (unknown >= 0) return piece_error(id, fmt::format("it is of type unknown, and so is piece {}", unknown));
    unknown = static_cast<int32_t>(id);
  }
  if (unknown < 0) return corrupt("tokenizer: no piece of type unknown");
  if (data.unknown != unknown) {
    return corrupt(fmt::format("tokenizer: unknown is {}, but the piece of that type is {}", data.unknown, unknown));
  }
  return {};
}

Status check_ids(const TokenizerData& data) {
  const int64_t count = static_cast<int64_t>(data.pieces.size());
  const std::pair<const char*, int32_t> ids[] = {
      {"bos", data.bos}, {"eos", data.eos}, {"unknown", data.unknown}, {"pad", data.pad}};
  for (const auto& [name, id] : ids) {
    if (id < -1 || id >= count)
      return corrupt(fmt::format("tokenizer: {} is {}, expected -1 to {}", name, id, count - 1));
  }
  for (const int32_t id : data.stop_ids) {
    if (id < 0 || id >= count) return corrupt(fmt::format("tokenizer: stop id {} is not in 0 to {}", id, count - 1));
  }
  if (data.add_bos && data.bos < 0) return corrupt("tokenizer: add_bos is set, but there is no bos piece");
  if (data.add_eos && data.eos < 0) return corrupt("tokenizer: add_eos is set, but there is no eos piece");
  return {};
}

// What formats/tern/validate.h checks of every file, and what needs a look at all pieces. That merges give pieces is
// found when they are loaded.
Status validate_byte_vocabulary(const TokenizerData& data) {
  TERN_TRY(validate_tokenizer(data).within("tokenizer"));
  TERN_TRY(check_ids(data));
  std::unordered_map<std::string_view, size_t> normal, special;  // a special piece may have a normal one's text
  normal.reserve(data.pieces.size());
  std::bitset<256> bytes;
  size_t total = 0;
  for (size_t id = 0; id < data.pieces.size(); ++id) {
    const Piece& piece = data.pieces[id];
    if (piece.type == PieceType::unused) continue;
    auto& seen = piece.type == PieceType::normal ? normal : special;
    const auto [first, fresh] = seen.emplace(piece.text, id);
    if (!fresh) return piece_error(id, fmt::format("its text is that of piece {} too", first->second));
    if (piece.text.size() == 1 && piece.type == PieceType::normal) bytes.set(static_cast<uint8_t>(piece.text[0]));
    total += piece.text.size();
  }
  if (total > kMaxVocabularyBytes)
    return corrupt(fmt::format("tokenizer: pieces hold more than {} bytes", kMaxVocabularyBytes));
  if (bytes.all()) return {};
  return corrupt(fmt::format("tokenizer: {} of the 256 bytes are pieces, all are needed", bytes.count()));
}

}  // namespace

int byte_of_piece(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
  int value = 0;
  for (const char c : text.substr(3, 2)) {
    const bool digit = c >= '0' && c <= '9', letter = c >= 'A' && c <= 'F';
    if (!digit && !letter) return -1;
    value = value * 16 + (digit ? c - '0' : c - 'A' + 10);
  }
  return value;
}

Status validate_vocabulary(const TokenizerData& data) {
  if (data.kind == TokenizerKind::byte_bpe) return validate_byte_vocabulary(data);
  if (data.kind != TokenizerKind::sentencepiece_bpe) {
    return unsupported(
        fmt::format("tokenizer: kind {} is not supported, expected 1 (SentencePiece BPE) or 2 (byte-level BPE)",
                    static_cast<int>(data.kind)));
  }
  if (data.pieces.empty() || data.pieces.size() > kMaxPieces) {
    return corrupt(fmt::format("tokenizer: {} pieces, expected 1 to {}", data.pieces.size(), kMaxPieces));
  }
  TERN_TRY(check_texts(data.pieces));
  TERN_TRY(check_byte_pieces(data));
  TERN_TRY(check_ids(data));
  TERN_TRY(check_unknown(data));
  return check_nesting(data.pieces);
}

std::vector<bool> usable_tokens(const TokenizerData& data) {
  std::vector<bool> usable;
  usable.reserve(data.pieces.size());
  for (const Piece& piece : data.pieces) usable.push_back(!piece.text.empty());
  return usable;
}

}  // namespace tern
