#include "formats/foreign/vocabulary.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <unordered_map>

#include "formats/tern/utf8.h"
#include "formats/tern/validate.h"

namespace tern {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The byte of "<0x0A>", or -1.
int byte_of(std::string_view piece) {
  if (piece.size() != 6 || piece.substr(0, 3) != "<0x" || piece[5] != '>') return -1;
  const int high = hex_digit(piece[3]), low = hex_digit(piece[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

Status check_bytes(const TokenizerData& data, const std::string& name) {
  std::array<bool, 256> seen{};
  for (size_t id = 0; id < data.pieces.size(); ++id) {
    if (data.pieces[id].type != PieceType::byte) continue;
    const int byte = byte_of(data.pieces[id].text);
    if (byte < 0) {
      return corrupt(fmt::format("{}: piece {} is a byte token but is named '{}', expected '<0xHH>'", name, id,
                                 data.pieces[id].text));
    }
    seen[byte] = true;  // two of one name were refused as duplicates
    if (!data.byte_fallback) {
      return corrupt(fmt::format("{}: piece {} is a byte token but byte_fallback is off", name, id));
    }
  }
  for (int byte = 0; data.byte_fallback && byte < 256; ++byte) {
    if (!seen[byte]) return corrupt(fmt::format("{}: byte_fallback is on but '<0x{:02X}>' is missing", name, byte));
  }
  return {};
}

Status check_ids(const TokenizerData& data, const std::string& name) {
  const auto size = static_cast<int64_t>(data.pieces.size());
  const std::pair<const char*, int32_t> ids[] = {
      {"bos", data.bos}, {"eos", data.eos}, {"unk", data.unknown}, {"pad", data.pad}};
  for (const auto& [what, id] : ids) {
    if (id < -1 || id >= size) {
      return corrupt(fmt::format("{}: {} id {} is outside the vocabulary of {}", name, what, id, size));
    }
  }
  for (int32_t id : data.stop_ids) {
    if (id < 0 || id >= size)
      return corrupt(fmt::format("{}: stop token {} is outside the vocabulary of {}", name, id, size));
  }
  if (data.unknown < 0 || data.pieces[data.unknown].type != PieceType::unknown) {
    return corrupt(fmt::format("{}: unk id {} is not a piece of type unknown", name, data.unknown));
  }
  return {};
}

Status check_byte_bpe(const TokenizerData& data, const std::string& name) {
  TERN_TRY(validate_tokenizer(data).within(name));
  std::unordered_map<std::string_view, size_t> normal, special;  // a special piece may have a normal one's text
  std::array<bool, 256> seen{};
  for (size_t id = 0; id < data.pieces.size(); ++id) {
    const Piece& piece = data.pieces[id];
    if (piece.type == PieceType::unused) continue;
    const auto [it, inserted] = (piece.type == PieceType::normal ? normal : special).emplace(piece.text, id);
    if (!inserted) return corrupt(fmt::format("{}: pieces {} and {} are alike", name, it->second, id));
    if (piece.text.size() == 1 && piece.type == PieceType::normal) seen[static_cast<uint8_t>(piece.text[0])] = true;
  }
  for (int byte = 0; byte < 256; ++byte) {
    if (!seen[byte]) return unsupported(fmt::format("{}: no token for the byte 0x{:02X}", name, byte));
  }
  return {};
}

}  // namespace

TokenizerData byte_bpe_vocabulary() {
  TokenizerData data;
  data.kind = TokenizerKind::byte_bpe;
  data.add_bos = data.add_dummy_prefix = data.escape_whitespaces = data.byte_fallback = false;
  return data;
}

Status check_vocabulary(const TokenizerData& data, const std::string& name) {
  if (data.kind == TokenizerKind::byte_bpe) return check_byte_bpe(data, name);
  if (data.pieces.empty()) return corrupt(name + ": the vocabulary is empty");
  std::unordered_map<std::string_view, size_t> ids;
  for (size_t id = 0; id < data.pieces.size(); ++id) {
    const Piece& piece = data.pieces[id];
    if (piece.text.empty() || !is_valid_utf8(piece.text)) {
      return corrupt(fmt::format("{}: piece {} is {}", name, id, piece.text.empty() ? "empty" : "not valid UTF-8"));
    }
    const auto [it, inserted] = ids.emplace(piece.text, id);
    if (!inserted) return corrupt(fmt::format("{}: pieces {} and {} are both '{}'", name, it->second, id, piece.text));
    if (!std::isfinite(piece.score)) return corrupt(fmt::format("{}: the score of piece {} is not finite", name, id));
    if (piece.type == PieceType::unknown && static_cast<int64_t>(id) != data.unknown) {
      return corrupt(fmt::format("{}: piece {} is of type unknown, but the unk id is {}", name, id, data.unknown));
    }
  }
  TERN_TRY(check_bytes(data, name));
  return check_ids(data, name);
}

}  // namespace tern
