// Rules of the section TOKN that need no look at other pieces. What only encoding needs (texts that differ, all bytes
// present, merges that give a piece) is checked by runtime/text when a tokenizer is made.
#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "formats/tern/limits.h"
#include "formats/tern/split_pattern.h"
#include "formats/tern/utf8.h"
#include "formats/tern/validate.h"

namespace tern {
namespace {

bool is_byte_piece(std::string_view text) {
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  return text.size() == 6 && text.starts_with("<0x") && hex(text[3]) && hex(text[4]) && text[5] == '>';
}

Status validate_sentencepiece_piece(const Piece& piece) {
  if (piece.text.empty()) return corrupt("the text is empty");
  if (!is_valid_utf8(piece.text)) return corrupt("the text is not valid UTF-8");
  if (piece.type == PieceType::byte && !is_byte_piece(piece.text)) {
    return corrupt("a byte piece is not of the form <0xHH>");
  }
  return {};
}

Status validate_byte_bpe_piece(const Piece& piece) {
  if (piece.score != 0) return corrupt(fmt::format("the score is {}, expected 0", piece.score));
  if (piece.type == PieceType::unused) return {};  // also a hole in the numbering, without a text
  if (piece.text.empty()) return corrupt("the text is empty");
  if (piece.type == PieceType::normal) return {};  // any bytes
  if (piece.type == PieceType::unknown || piece.type == PieceType::byte) {
    return corrupt("its type is unknown or byte, which kind 2 does not have");
  }
  if (piece.text.size() > kMaxSpecialBytes) {
    return corrupt(fmt::format("a control or user-defined piece has {} bytes, expected at most {}", piece.text.size(),
                               kMaxSpecialBytes));
  }
  return is_valid_utf8(piece.text) ? Status() : corrupt("the text is not valid UTF-8");
}

Status validate_piece(TokenizerKind kind, const Piece& piece) {
  if (piece.text.size() > kMaxStringBytes) {
    return corrupt(fmt::format("the text has {} bytes, expected at most {}", piece.text.size(), kMaxStringBytes));
  }
  if (!std::isfinite(piece.score)) return corrupt("the score is not finite");
  if (piece.type < PieceType::normal || piece.type > PieceType::byte) {
    return unsupported(fmt::format("type {} is unknown to this version", static_cast<int>(piece.type)));
  }
  return kind == TokenizerKind::byte_bpe ? validate_byte_bpe_piece(piece) : validate_sentencepiece_piece(piece);
}

Status validate_merges(const TokenizerData& t) {
  if (t.merges.size() > kMaxMerges) {
    return corrupt(fmt::format("the count of merges is {}, expected at most {}", t.merges.size(), kMaxMerges));
  }
  if (t.rank_by_id && !t.merges.empty()) return corrupt("rank_by_id is set, but there are merges");
  const auto is_normal = [&](uint32_t id) { return id < t.pieces.size() && t.pieces[id].type == PieceType::normal; };
  for (size_t i = 0; i < t.merges.size(); ++i) {
    const auto [left, right] = t.merges[i];
    if (!is_normal(left) || !is_normal(right)) {
      return corrupt(fmt::format("merge {} is of {} and {}, expected two normal pieces", i, left, right));
    }
  }
  return {};
}

Status validate_byte_bpe(const TokenizerData& t) {
  if (t.patterns.size() > kMaxPatterns) {
    return corrupt(fmt::format("the count of patterns is {}, expected at most {}", t.patterns.size(), kMaxPatterns));
  }
  for (size_t i = 0; i < t.patterns.size(); ++i) {
    TERN_TRY(validate_split_pattern(t.patterns[i].pattern).within(fmt::format("split pattern {}", i)));
    if (i > 0 && t.patterns[i - 1].byte_alphabet && !t.patterns[i].byte_alphabet) {
      return corrupt(fmt::format("split pattern {} sees the text after one that sees the byte alphabet", i));
    }
  }
  return validate_merges(t);
}

Status validate_ids(const TokenizerData& t) {
  const auto count = static_cast<int64_t>(t.pieces.size());
  for (const auto& [name, id] : {std::pair{"bos", t.bos}, {"eos", t.eos}, {"unknown", t.unknown}, {"pad", t.pad}}) {
    if (id < -1 || id >= count)
      return corrupt(fmt::format("{} is {}, expected -1 or a piece below {}", name, id, count));
  }
  if (t.kind == TokenizerKind::byte_bpe && t.unknown != -1) {
    return corrupt(fmt::format("unknown is {}, expected -1: kind 2 knows every byte", t.unknown));
  }
  if (t.stop_ids.size() > kMaxStopIds) {
    return corrupt(fmt::format("the count of stop ids is {}, expected at most {}", t.stop_ids.size(), kMaxStopIds));
  }
  for (int32_t id : t.stop_ids) {
    if (id < 0 || id >= count) return corrupt(fmt::format("a stop id is {}, expected a piece below {}", id, count));
  }
  return {};
}

}  // namespace

Status validate_tokenizer(const TokenizerData& t) {
  if (t.kind != TokenizerKind::sentencepiece_bpe && t.kind != TokenizerKind::byte_bpe) {
    return unsupported(
        fmt::format("kind is {}, expected 1 (sentencepiece_bpe) or 2 (byte_bpe)", static_cast<int>(t.kind)));
  }
  if (t.pieces.empty() || t.pieces.size() > kMaxPieces) {
    return corrupt(fmt::format("the count of pieces is {}, expected 1 to {}", t.pieces.size(), kMaxPieces));
  }
  TERN_TRY(validate_ids(t));
  for (size_t i = 0; i < t.pieces.size(); ++i) {
    const Status status = validate_piece(t.kind, t.pieces[i]);
    if (!status.ok()) return status.within(fmt::format("piece {}", i));  // no message is made for each good piece
  }
  return t.kind == TokenizerKind::byte_bpe ? validate_byte_bpe(t) : Status();
}

}  // namespace tern
