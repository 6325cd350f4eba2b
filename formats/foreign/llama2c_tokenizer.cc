// tokenizer.bin: u32 longest piece, then per piece f32 score, i32 length, bytes.
#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "base/checked.h"
#include "formats/foreign/llama2c.h"
#include "formats/foreign/vocabulary.h"

namespace tern {
namespace {

constexpr uint32_t kFirstByteToken = 3;  // run.c: fallback tokens are byte + 3

// tokenizer.py writes spaces for U+2581 and line breaks around the two control tokens.
std::string undo_export(std::string text, uint32_t id) {
  if (id == 1 && text == "\n<s>\n") return "<s>";
  if (id == 2 && text == "\n</s>\n") return "</s>";
  std::string piece;
  for (char c : text) {
    if (c == ' ') {
      piece += "\xe2\x96\x81";
    } else {
      piece += c;
    }
  }
  return piece;
}

PieceType type_of(uint32_t id) {
  if (id == 0) return PieceType::unknown;
  if (id < kFirstByteToken) return PieceType::control;
  return id < kFirstByteToken + 256 ? PieceType::byte : PieceType::normal;
}

}  // namespace

Result<TokenizerData> parse_llama2c_tokenizer(std::span<const std::byte> bytes, uint32_t vocab_size,
                                              const std::string& name) {
  if (bytes.size() < 4) return corrupt(fmt::format("{}: {} bytes, too short for a tokenizer", name, bytes.size()));
  uint32_t longest = 0;
  std::memcpy(&longest, bytes.data(), 4);
  TokenizerData data;
  uint64_t at = 4;
  while (at < bytes.size()) {
    const auto id = static_cast<uint32_t>(data.pieces.size());
    if (id == vocab_size) {
      return corrupt(
          fmt::format("{}: bytes follow piece {}, the last one of a vocabulary of {}", name, id - 1, vocab_size));
    }
    if (!in_range(at, 8, bytes.size())) return corrupt(fmt::format("{}: piece {} is cut off", name, id));
    float score = 0;
    int32_t length = 0;
    std::memcpy(&score, bytes.data() + at, 4);
    std::memcpy(&length, bytes.data() + at + 4, 4);
    at += 8;
    if (length <= 0 || static_cast<uint32_t>(length) > longest || !in_range(at, length, bytes.size())) {
      return corrupt(
          fmt::format("{}: piece {} has length {}, expected 1 to {} within the file", name, id, length, longest));
    }
    std::string text(reinterpret_cast<const char*>(bytes.data()) + at, static_cast<size_t>(length));
    at += static_cast<uint64_t>(length);
    data.pieces.push_back({undo_export(std::move(text), id), score, type_of(id)});
  }
  if (data.pieces.size() != vocab_size) {
    return corrupt(
        fmt::format("{}: {} pieces, the model has a vocabulary of {}", name, data.pieces.size(), vocab_size));
  }
  data.unknown = 0;
  data.bos = 1;
  data.eos = 2;
  data.stop_ids = {2, 1};  // run.c ends a text at BOS, which separates stories in training
  TERN_TRY(check_vocabulary(data, name));
  return data;
}

}  // namespace tern
