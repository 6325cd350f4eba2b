// CONF: typed, closed fields. META: pairs of strings. The framing that all sections share.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "formats/tern/limits.h"
#include "formats/tern/sections.h"

namespace tern {
namespace {

enum class FieldType : uint16_t { u32 = 1, f32 = 2, enumeration = 3 };
constexpr uint32_t kArchitectureDecoder = 1;  // pre-norm attention with RoPE, gated FFN
constexpr uint64_t kFieldBytes = 12;

struct Field {
  uint16_t id;
  FieldType type;
  const char* name;
  uint32_t value;         // the bits as stored
  bool optional = false;  // left out if 0
};

template <class T>
uint32_t bits_of(T value) {
  if constexpr (std::is_same_v<T, float>)
    return std::bit_cast<uint32_t>(value);
  else
    return static_cast<uint32_t>(value);
}

constexpr size_t kRequired = 14;

// The one list of fields, in order of their ids: the required ones first.
std::vector<Field> fields_of(const ModelConfig& c) {
  using enum FieldType;
  return {{1, enumeration, "architecture", kArchitectureDecoder},
          {2, u32, "vocab_size", c.vocab_size},
          {3, u32, "hidden_size", c.hidden_size},
          {4, u32, "ffn_size", c.ffn_size},
          {5, u32, "layers", c.layers},
          {6, u32, "heads", c.heads},
          {7, u32, "kv_heads", c.kv_heads},
          {8, u32, "head_dim", c.head_dim},
          {9, u32, "context", c.context},
          {10, f32, "norm_eps", bits_of(c.norm_eps)},
          {11, f32, "final_norm_eps", bits_of(c.final_norm_eps)},
          {12, f32, "rope_base", bits_of(c.rope_base)},
          {13, enumeration, "rope_pairing", bits_of(c.rope_pairing)},
          {14, enumeration, "activation", bits_of(c.activation)},
          {32, u32, "window", c.window, true},
          {33, enumeration, "rope_scaling", bits_of(c.rope_scaling), true},
          {34, f32, "rope_factor", bits_of(c.rope_factor), true},
          {35, f32, "rope_low_frequency", bits_of(c.rope_low_frequency), true},
          {36, f32, "rope_high_frequency", bits_of(c.rope_high_frequency), true},
          {37, u32, "rope_trained_context", c.rope_trained_context, true},
          {38, enumeration, "numbers", bits_of(c.numbers), true}};
}

Result<ModelConfig> config_of(const std::vector<Field>& f) {
  if (f[0].value != kArchitectureDecoder) {
    return unsupported(fmt::format("architecture is {}, expected 1 (decoder)", f[0].value));
  }
  for (size_t i : {size_t{12}, size_t{13}, size_t{15}, size_t{20}}) {
    if (f[i].value > 255)
      return unsupported(fmt::format("{} is {}, which this version does not know", f[i].name, f[i].value));
  }
  ModelConfig c;
  uint32_t* counts[] = {&c.vocab_size, &c.hidden_size, &c.ffn_size, &c.layers,
                        &c.heads,      &c.kv_heads,    &c.head_dim, &c.context};
  for (size_t i = 0; i < std::size(counts); ++i) *counts[i] = f[i + 1].value;
  c.norm_eps = std::bit_cast<float>(f[9].value);
  c.final_norm_eps = std::bit_cast<float>(f[10].value);
  c.rope_base = std::bit_cast<float>(f[11].value);
  c.rope_pairing = static_cast<RopePairing>(f[12].value);
  c.activation = static_cast<Activation>(f[13].value);
  c.window = f[14].value;
  c.rope_scaling = static_cast<RopeScaling>(f[15].value);
  c.rope_factor = std::bit_cast<float>(f[16].value);
  c.rope_low_frequency = std::bit_cast<float>(f[17].value);
  c.rope_high_frequency = std::bit_cast<float>(f[18].value);
  c.rope_trained_context = f[19].value;
  c.numbers = static_cast<Numbers>(f[20].value);
  return c;
}

}  // namespace

Result<uint32_t> read_count(ByteReader& reader, const char* what, uint64_t most, uint64_t least_record_bytes) {
  const auto count = reader.get<uint32_t>();
  const auto reserved = reader.get<uint32_t>();
  if (reader.failed()) return corrupt("the section ends inside its count");
  if (reserved != 0) return corrupt(fmt::format("the reserved field after the count is {}, expected 0", reserved));
  if (count > most) return corrupt(fmt::format("the count of {} is {}, expected at most {}", what, count, most));
  if (count > reader.remaining() / least_record_bytes) {
    return corrupt(fmt::format("the count of {} is {}, more than {} bytes can hold", what, count, reader.remaining()));
  }
  return count;
}

void write_count(ByteWriter& writer, uint64_t count) {
  writer.put<uint32_t>(static_cast<uint32_t>(count));
  writer.put<uint32_t>(0);
}

Status check_record(ByteReader& reader, const char* what, uint64_t index, bool reserved_is_zero) {
  const bool padded = reader.skip_padding();
  if (reader.failed()) return corrupt(fmt::format("{} {} reaches beyond the section", what, index));
  if (!reserved_is_zero) return corrupt(fmt::format("{} {}: a reserved field is not zero", what, index));
  if (!padded) return corrupt(fmt::format("{} {}: the padding is not zero", what, index));
  return {};
}

Status check_end(const ByteReader& reader) {
  if (reader.remaining() == 0) return {};
  return corrupt(fmt::format("{} bytes follow the last record, expected none", reader.remaining()));
}

Result<ModelConfig> read_config(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  std::vector<Field> fields = fields_of({});
  TERN_ASSIGN(const uint32_t count, read_count(reader, "fields", fields.size(), kFieldBytes));
  size_t next = 0;  // the fields before it are known
  for (uint32_t i = 0; i < count; ++i) {
    const auto id = reader.get<uint16_t>();
    const auto type = reader.get<uint16_t>();
    const auto size = reader.get<uint32_t>();
    const auto found = std::find_if(fields.begin(), fields.end(), [id](const Field& f) { return f.id == id; });
    if (found == fields.end()) return unsupported(fmt::format("field id {} is unknown to this version", id));
    Field& field = *found;
    const auto at = static_cast<size_t>(found - fields.begin());
    if (next < kRequired && at != next) {
      return corrupt(fmt::format("field id is {}, expected {} ({})", id, fields[next].id, fields[next].name));
    }
    if (at < next) return corrupt(fmt::format("field {}: its id is not above the one before it", field.name));
    if (type != static_cast<uint16_t>(field.type)) {
      return corrupt(
          fmt::format("field {}: type is {}, expected {}", field.name, type, static_cast<uint16_t>(field.type)));
    }
    if (size != 4) return corrupt(fmt::format("field {}: size is {}, expected 4", field.name, size));
    field.value = reader.get<uint32_t>();
    if (field.optional && field.value == 0) {
      return corrupt(fmt::format("field {} is 0, which is said by leaving it out", field.name));
    }
    next = at + 1;
  }
  if (next < kRequired) return corrupt(fmt::format("field {} is missing", fields[next].name));
  TERN_TRY(check_end(reader));
  return config_of(fields);
}

void write_config(ByteWriter& writer, const ModelConfig& config) {
  std::vector<Field> fields = fields_of(config);
  std::erase_if(fields, [](const Field& f) { return f.optional && f.value == 0; });
  write_count(writer, fields.size());
  for (const Field& field : fields) {
    writer.put<uint16_t>(field.id);
    writer.put<uint16_t>(static_cast<uint16_t>(field.type));
    writer.put<uint32_t>(4);
    writer.put<uint32_t>(field.value);
  }
}

Result<Metadata> read_metadata(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  TERN_ASSIGN(const uint32_t count, read_count(reader, "entries", kMaxMetadata, 8));
  Metadata metadata;
  for (uint32_t i = 0; i < count; ++i) {
    const auto key_bytes = reader.get<uint32_t>();
    const auto value_bytes = reader.get<uint32_t>();
    const std::string_view key = reader.text(key_bytes), value = reader.text(value_bytes);
    TERN_TRY(check_record(reader, "entry", i, true));
    metadata.emplace_back(key, value);
  }
  TERN_TRY(check_end(reader));
  return metadata;
}

void write_metadata(ByteWriter& writer, const Metadata& metadata) {
  write_count(writer, metadata.size());
  for (const auto& [key, value] : metadata) {
    writer.put<uint32_t>(static_cast<uint32_t>(key.size()));
    writer.put<uint32_t>(static_cast<uint32_t>(value.size()));
    writer.text(key);
    writer.text(value);
    writer.pad_to(8);
  }
}

}  // namespace tern
