// TENS: the tensor directory. TOKN: the tokenizer.
#include <fmt/format.h>

#include "formats/tern/limits.h"
#include "formats/tern/sections.h"

namespace tern {
namespace {

constexpr uint64_t kTensorRecordBytes = 112;  // before the names
constexpr uint64_t kPieceBytes = 8;           // before the text

Part get_part(ByteReader& reader) {
  Part part;
  part.offset = reader.get<uint64_t>();
  part.bytes = reader.get<uint64_t>();
  part.hash = reader.get<uint64_t>();
  return part;
}

void put_part(ByteWriter& writer, const Part& part) {
  writer.put<uint64_t>(part.offset);
  writer.put<uint64_t>(part.bytes);
  writer.put<uint64_t>(part.hash);
}

bool has_value_type(const Encoding& e) { return e.kind == EncodingKind::plain || e.kind == EncodingKind::dense; }

// Fields that an encoding does not use are stored as 0 and keep their defaults in memory.
bool get_encoding(ByteReader& reader, Encoding& e) {
  e.kind = static_cast<EncodingKind>(reader.get<uint16_t>());
  const auto value_type = reader.get<uint8_t>();
  e.bits = reader.get<uint8_t>();
  e.planes = reader.get<uint8_t>();
  e.scope = static_cast<ScaleScope>(reader.get<uint8_t>());
  const auto scale_type = reader.get<uint8_t>();
  const auto reserved = reader.get<uint8_t>();
  e.group = reader.get<uint32_t>();
  if (has_value_type(e)) e.value_type = static_cast<FloatType>(value_type);
  if (e.scope != ScaleScope::none) e.scale_type = static_cast<FloatType>(scale_type);
  return reserved == 0 && (has_value_type(e) || value_type == 0) && (e.scope != ScaleScope::none || scale_type == 0);
}

void put_encoding(ByteWriter& writer, const Encoding& e) {
  writer.put<uint16_t>(static_cast<uint16_t>(e.kind));
  writer.put<uint8_t>(has_value_type(e) ? static_cast<uint8_t>(e.value_type) : 0);
  writer.put<uint8_t>(e.bits);
  writer.put<uint8_t>(e.planes);
  writer.put<uint8_t>(static_cast<uint8_t>(e.scope));
  writer.put<uint8_t>(e.scope != ScaleScope::none ? static_cast<uint8_t>(e.scale_type) : 0);
  writer.put<uint8_t>(0);
  writer.put<uint32_t>(e.group);
}

enum TokenizerFlag : uint16_t {
  flag_add_bos = 1,
  flag_add_eos = 2,
  flag_add_dummy_prefix = 4,
  flag_remove_extra_whitespaces = 8,
  flag_escape_whitespaces = 16,
  flag_byte_fallback = 32,
  flag_all = 63,
};

uint16_t flags_of(const TokenizerData& t) {
  unsigned flags = 0;
  if (t.add_bos) flags |= flag_add_bos;
  if (t.add_eos) flags |= flag_add_eos;
  if (t.add_dummy_prefix) flags |= flag_add_dummy_prefix;
  if (t.remove_extra_whitespaces) flags |= flag_remove_extra_whitespaces;
  if (t.escape_whitespaces) flags |= flag_escape_whitespaces;
  if (t.byte_fallback) flags |= flag_byte_fallback;
  return static_cast<uint16_t>(flags);
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

}  // namespace

Result<std::vector<TensorRecord>> read_tensors(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  TERN_ASSIGN(const uint32_t count, read_count(reader, "tensors", kMaxTensors, kTensorRecordBytes));
  std::vector<TensorRecord> tensors(count);
  for (uint32_t i = 0; i < count; ++i) {
    TensorRecord& t = tensors[i];
    const auto name_bytes = reader.get<uint16_t>();
    const auto source_bytes = reader.get<uint16_t>();
    bool reserved = get_encoding(reader, t.encoding);
    t.rows = reader.get<uint64_t>();
    t.cols = reader.get<uint64_t>();
    t.experts = reader.get<uint32_t>();
    reserved &= reader.get<uint32_t>() == kNoTensor;  // codebook
    t.codes = get_part(reader);
    t.scales = get_part(reader);
    reserved &= get_part(reader) == Part{};  // offsets
    t.name = std::string(reader.text(name_bytes));
    t.source_name = std::string(reader.text(source_bytes));
    TERN_TRY(check_record(reader, "tensor", i, reserved));
  }
  TERN_TRY(check_end(reader));
  return tensors;
}

void write_tensors(ByteWriter& writer, const std::vector<TensorRecord>& tensors) {
  write_count(writer, tensors.size());
  for (const TensorRecord& t : tensors) {
    writer.put<uint16_t>(static_cast<uint16_t>(t.name.size()));
    writer.put<uint16_t>(static_cast<uint16_t>(t.source_name.size()));
    put_encoding(writer, t.encoding);
    writer.put<uint64_t>(t.rows);
    writer.put<uint64_t>(t.cols);
    writer.put<uint32_t>(t.experts);
    writer.put<uint32_t>(kNoTensor);
    put_part(writer, t.codes);
    put_part(writer, t.scales);
    put_part(writer, {});
    writer.text(t.name);
    writer.text(t.source_name);
    writer.pad_to(8);
  }
}

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
  if (flags & ~flag_all) return unsupported(fmt::format("flags is {:#x}, which this version does not know", flags));
  if (stops > kMaxStopIds)
    return corrupt(fmt::format("the count of stop ids is {}, expected at most {}", stops, kMaxStopIds));
  if (pieces > kMaxPieces || pieces > reader.remaining() / kPieceBytes) {
    return corrupt(fmt::format("the count of pieces is {}, expected at most {} and what {} bytes hold", pieces,
                               kMaxPieces, reader.remaining()));
  }
  t.add_bos = flags & flag_add_bos;
  t.add_eos = flags & flag_add_eos;
  t.add_dummy_prefix = flags & flag_add_dummy_prefix;
  t.remove_extra_whitespaces = flags & flag_remove_extra_whitespaces;
  t.escape_whitespaces = flags & flag_escape_whitespaces;
  t.byte_fallback = flags & flag_byte_fallback;
  for (uint32_t i = 0; i < stops; ++i) t.stop_ids.push_back(reader.get<int32_t>());
  TERN_TRY(read_pieces(reader, pieces, t));
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
}

}  // namespace tern
