// TOKN: the tokenizer. CHAT: the chat template.
#include <fmt/format.h>

#include "formats/tern/limits.h"
#include "formats/tern/sections.h"

namespace tern {
namespace {

constexpr uint64_t kPieceBytes = 8;    // before the text
constexpr uint64_t kPatternBytes = 4;  // before the text
constexpr uint64_t kMergeBytes = 8;

struct Flag {
  uint16_t bit;
  bool TokenizerData::*field;
};
constexpr Flag kCommonFlags[] = {{1, &TokenizerData::add_bos}, {2, &TokenizerData::add_eos}};
constexpr Flag kSentencePieceFlags[] = {{4, &TokenizerData::add_dummy_prefix},
                                        {8, &TokenizerData::remove_extra_whitespaces},
                                        {16, &TokenizerData::escape_whitespaces},
                                        {32, &TokenizerData::byte_fallback}};
constexpr Flag kByteBpeFlags[] = {
    {64, &TokenizerData::nfc}, {128, &TokenizerData::whole_piece_first}, {256, &TokenizerData::rank_by_id}};

// Calls f(flag, belongs to the tokenizer's kind) for every flag there is.
template <class F>
void for_each_flag(TokenizerKind kind, F f) {
  for (const Flag& flag : kCommonFlags) f(flag, true);
  for (const Flag& flag : kSentencePieceFlags) f(flag, kind != TokenizerKind::byte_bpe);
  for (const Flag& flag : kByteBpeFlags) f(flag, kind == TokenizerKind::byte_bpe);
}

uint16_t flags_of(const TokenizerData& t) {
  unsigned flags = 0;
  for_each_flag(t.kind, [&](const Flag& flag, bool ours) { flags |= ours && t.*flag.field ? flag.bit : 0u; });
  return static_cast<uint16_t>(flags);
}

Status set_flags(unsigned flags, TokenizerData& t) {
  for_each_flag(t.kind, [&](const Flag& flag, bool ours) {
    t.*flag.field = ours && (flags & flag.bit);
    if (ours) flags &= ~unsigned{flag.bit};
  });
  if (flags == 0) return {};
  return unsupported(
      fmt::format("flags holds {:#x}, which kind {} does not have in this version", flags, static_cast<int>(t.kind)));
}

Status read_pieces(ByteReader& reader, uint32_t count, TokenizerData& t) {
  t.pieces.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    Piece piece;
    piece.score = reader.get<float>();
    piece.type = static_cast<PieceType>(reader.get<uint8_t>());
    const auto reserved = reader.get<uint8_t>();
    const auto size = reader.get<uint16_t>();
    piece.text = std::string(reader.text(size));
    if (reader.failed()) return corrupt(fmt::format("piece {} reaches beyond the section", i));
    if (reserved != 0) return corrupt(fmt::format("piece {}: the reserved byte is {}, expected 0", i, reserved));
    t.pieces.push_back(std::move(piece));
  }
  return {};
}

Status check_held(const char* what, uint64_t found, uint64_t most, uint64_t record_bytes, const ByteReader& reader) {
  if (found <= most && found <= reader.remaining() / record_bytes) return {};
  return corrupt(fmt::format("the count of {} is {}, expected at most {} and what {} bytes hold", what, found, most,
                             reader.remaining()));
}

// What only byte_bpe has, after the pieces.
Status read_byte_bpe(ByteReader& reader, TokenizerData& t) {
  const auto patterns = reader.get<uint32_t>(), merges = reader.get<uint32_t>();
  if (reader.failed()) return corrupt("the section ends before the counts of patterns and merges");
  TERN_TRY(check_held("patterns", patterns, kMaxPatterns, kPatternBytes, reader));
  for (uint32_t i = 0; i < patterns; ++i) {
    const auto flags = reader.get<uint8_t>(), reserved = reader.get<uint8_t>();
    const auto size = reader.get<uint16_t>();
    t.patterns.push_back({std::string(reader.text(size)), flags == 1});
    if (reader.failed()) return corrupt(fmt::format("pattern {} reaches beyond the section", i));
    if (flags > 1 || reserved != 0) return corrupt(fmt::format("pattern {}: a reserved bit is set", i));
  }
  TERN_TRY(check_held("merges", merges, kMaxMerges, kMergeBytes, reader));  // of what the patterns left
  t.merges.reserve(merges);
  for (uint32_t i = 0; i < merges; ++i) {
    const auto left = reader.get<uint32_t>(), right = reader.get<uint32_t>();
    t.merges.emplace_back(left, right);
  }
  return {};
}

void write_byte_bpe(ByteWriter& writer, const TokenizerData& t) {
  writer.put<uint32_t>(static_cast<uint32_t>(t.patterns.size()));
  writer.put<uint32_t>(static_cast<uint32_t>(t.merges.size()));
  for (const SplitPattern& p : t.patterns) {
    writer.put<uint8_t>(p.byte_alphabet);
    writer.put<uint8_t>(0);
    writer.put<uint16_t>(static_cast<uint16_t>(p.pattern.size()));
    writer.text(p.pattern);
  }
  for (const auto& [left, right] : t.merges) {
    writer.put<uint32_t>(left);
    writer.put<uint32_t>(right);
  }
}

}  // namespace

Result<TokenizerData> read_tokenizer(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  TokenizerData t;
  t.kind = static_cast<TokenizerKind>(reader.get<uint16_t>());
  const auto flags = reader.get<uint16_t>();
  const auto pieces = reader.get<uint32_t>();
  const auto stops = reader.get<uint32_t>();
  for (int32_t* id : {&t.bos, &t.eos, &t.unknown, &t.pad}) *id = reader.get<int32_t>();
  const auto reserved = reader.get<uint32_t>();
  if (reader.failed()) return corrupt("the section ends inside its fixed fields");
  if (reserved != 0) return corrupt(fmt::format("the reserved field is {}, expected 0", reserved));
  if (t.kind != TokenizerKind::sentencepiece_bpe && t.kind != TokenizerKind::byte_bpe) {
    return unsupported(
        fmt::format("kind is {}, expected 1 (sentencepiece_bpe) or 2 (byte_bpe)", static_cast<int>(t.kind)));
  }
  TERN_TRY(set_flags(flags, t));
  if (stops > kMaxStopIds)
    return corrupt(fmt::format("the count of stop ids is {}, expected at most {}", stops, kMaxStopIds));
  TERN_TRY(check_held("pieces", pieces, kMaxPieces, kPieceBytes, reader));
  for (uint32_t i = 0; i < stops; ++i) t.stop_ids.push_back(reader.get<int32_t>());
  TERN_TRY(read_pieces(reader, pieces, t));
  if (t.kind == TokenizerKind::byte_bpe) TERN_TRY(read_byte_bpe(reader, t));
  TERN_TRY(check_end(reader));
  return t;
}

void write_tokenizer(ByteWriter& writer, const TokenizerData& t) {
  writer.put<uint16_t>(static_cast<uint16_t>(t.kind));
  writer.put<uint16_t>(flags_of(t));
  writer.put<uint32_t>(static_cast<uint32_t>(t.pieces.size()));
  writer.put<uint32_t>(static_cast<uint32_t>(t.stop_ids.size()));
  for (int32_t id : {t.bos, t.eos, t.unknown, t.pad}) writer.put<int32_t>(id);
  writer.put<uint32_t>(0);
  for (int32_t id : t.stop_ids) writer.put<int32_t>(id);
  for (const Piece& piece : t.pieces) {
    writer.put<float>(piece.score);
    writer.put<uint8_t>(static_cast<uint8_t>(piece.type));
    writer.put<uint8_t>(0);
    writer.put<uint16_t>(static_cast<uint16_t>(piece.text.size()));
    writer.text(piece.text);
  }
  if (t.kind == TokenizerKind::byte_bpe) write_byte_bpe(writer, t);
}

Result<ChatTemplate> read_chat(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  const auto chat = reader.get<uint16_t>();
  const auto reserved = reader.get<uint16_t>();
  const auto reserved_too = reader.get<uint32_t>();
  if (reader.failed()) return corrupt("the section ends inside its fields");
  if (reserved != 0 || reserved_too != 0) return corrupt("a reserved field is not 0");
  TERN_TRY(check_end(reader));
  return static_cast<ChatTemplate>(chat);
}

void write_chat(ByteWriter& writer, ChatTemplate chat) {
  writer.put<uint16_t>(static_cast<uint16_t>(chat));
  writer.put<uint16_t>(0);
  writer.put<uint32_t>(0);
}

}  // namespace tern
