// TENS: the tensor directory.
#include <fmt/format.h>

#include "formats/tern/limits.h"
#include "formats/tern/sections.h"

namespace tern {
namespace {

constexpr uint64_t kTensorRecordBytes = 112;  // before the names

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
constexpr uint8_t kInputAxis = 0x80;  // of the byte that holds a vector's length

bool get_encoding(ByteReader& reader, Encoding& e) {
  e.kind = static_cast<EncodingKind>(reader.get<uint16_t>());
  const auto value_type = reader.get<uint8_t>();
  e.bits = reader.get<uint8_t>();
  e.planes = reader.get<uint8_t>();
  e.scope = static_cast<ScaleScope>(reader.get<uint8_t>());
  const auto scale_type = reader.get<uint8_t>();
  const auto vector = reader.get<uint8_t>();
  e.group = reader.get<uint32_t>();
  if (has_value_type(e)) e.value_type = static_cast<FloatType>(value_type);
  if (e.scope != ScaleScope::none) e.scale_type = static_cast<FloatType>(scale_type);
  if (e.kind == EncodingKind::vector) {
    e.length = vector & (kInputAxis - 1);
    e.axis = vector & kInputAxis ? VectorAxis::input : VectorAxis::output;
  }
  return (vector == 0 || e.kind == EncodingKind::vector) && (has_value_type(e) || value_type == 0) && (e.scope != ScaleScope::none || scale_type == 0);
}

void put_encoding(ByteWriter& writer, const Encoding& e) {
  writer.put<uint16_t>(static_cast<uint16_t>(e.kind));
  writer.put<uint8_t>(has_value_type(e) ? static_cast<uint8_t>(e.value_type) : 0);
  writer.put<uint8_t>(e.bits);
  writer.put<uint8_t>(e.planes);
  writer.put<uint8_t>(static_cast<uint8_t>(e.scope));
  writer.put<uint8_t>(e.scope != ScaleScope::none ? static_cast<uint8_t>(e.scale_type) : 0);
  writer.put<uint8_t>(e.axis == VectorAxis::input ? e.length | kInputAxis : e.length);
  writer.put<uint32_t>(e.group);
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
    t.codebook = reader.get<uint32_t>();
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
    writer.put<uint32_t>(t.codebook);
    put_part(writer, t.codes);
    put_part(writer, t.scales);
    put_part(writer, {});
    writer.text(t.name);
    writer.text(t.source_name);
    writer.pad_to(8);
  }
}

}  // namespace tern
