#include "formats/foreign/sentencepiece.h"

#include <fmt/format.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>

#include "formats/foreign/vocabulary.h"
#include "formats/tern/limits.h"

namespace tern {
namespace {

// One field of a protobuf message: number, wire type and payload.
struct Field {
  uint32_t number = 0, wire = 0;
  uint64_t value = 0;                // wire type 0 (varint), 1 and 5 (fixed width, as bits)
  std::span<const std::byte> bytes;  // wire type 2
};

class Message {
 public:
  Message(std::span<const std::byte> bytes, std::string where) : rest_(bytes), where_(std::move(where)) {}

  bool at_end() const { return rest_.empty(); }
  const std::string& where() const { return where_; }

  Result<Field> next() {
    TERN_ASSIGN(const uint64_t key, varint());
    Field field;
    field.number = static_cast<uint32_t>(key >> 3);
    field.wire = key & 7;
    if (key >> 3 == 0 || key >> 32 != 0) return corrupt(fmt::format("{}: field key {} is not valid", where_, key));
    if (field.wire == 0) {
      TERN_ASSIGN(field.value, varint());
    } else if (field.wire == 1 || field.wire == 5) {
      const size_t width = field.wire == 1 ? 8 : 4;
      if (rest_.size() < width) return cut_off();
      std::memcpy(&field.value, rest_.data(), width);
      rest_ = rest_.subspan(width);
    } else if (field.wire == 2) {
      TERN_ASSIGN(const uint64_t length, varint());
      if (length > rest_.size()) return cut_off();
      field.bytes = rest_.first(length);
      rest_ = rest_.subspan(length);
    } else {
      return corrupt(fmt::format("{}: field {} has wire type {}", where_, field.number, field.wire));
    }
    return field;
  }

 private:
  Status cut_off() const { return corrupt(where_ + ": cut off inside a field; not a SentencePiece model?"); }

  Result<uint64_t> varint() {
    uint64_t value = 0;
    for (size_t i = 0; i < 10; ++i) {
      if (i >= rest_.size()) return cut_off();
      const auto byte = static_cast<uint64_t>(rest_[i]);
      if (i == 9 && byte > 1) break;
      value |= (byte & 0x7f) << (7 * i);
      if (byte < 0x80) {
        rest_ = rest_.subspan(i + 1);
        return value;
      }
    }
    return corrupt(where_ + ": a number longer than 64 bits");
  }

  std::span<const std::byte> rest_;
  std::string where_;
};

Status expect_wire(const Message& message, const Field& field, uint32_t wire) {
  if (field.wire == wire) return {};
  return corrupt(
      fmt::format("{}: field {} has wire type {}, expected {}", message.where(), field.number, field.wire, wire));
}

std::string text_of(const Field& field) {
  return std::string(reinterpret_cast<const char*>(field.bytes.data()), field.bytes.size());
}

Result<Piece> read_piece(std::span<const std::byte> bytes, const std::string& where) {
  Message message(bytes, where);
  Piece piece;
  while (!message.at_end()) {
    TERN_ASSIGN(const Field field, message.next());
    if (field.number == 1) {
      TERN_TRY(expect_wire(message, field, 2));
      piece.text = text_of(field);
    } else if (field.number == 2) {
      TERN_TRY(expect_wire(message, field, 5));
      piece.score = std::bit_cast<float>(static_cast<uint32_t>(field.value));
    } else if (field.number == 3) {
      TERN_TRY(expect_wire(message, field, 0));
      if (field.value < 1 || field.value > 6) {
        return unsupported(fmt::format("{}: type {} is unknown", where, field.value));
      }
      piece.type = static_cast<PieceType>(field.value);
    } else {
      return unsupported(fmt::format("{}: unknown field {}", where, field.number));
    }
  }
  return piece;
}

struct TrainerSpec {
  uint64_t model_type = 1;
  bool suffix = false, byte_fallback = false;
  int32_t unk = 0, bos = 1, eos = 2, pad = -1;
};

// An int32 field: negative numbers are sign-extended to 64 bits on the wire.
Result<int32_t> id_of(const Field& field, const std::string& where) {
  const auto value = static_cast<int64_t>(field.value);
  if (value < -1 || value > INT32_MAX) {
    return corrupt(fmt::format("{}: field {} is {}, expected a token id or -1", where, field.number, value));
  }
  return static_cast<int32_t>(value);
}

Result<TrainerSpec> read_trainer(std::span<const std::byte> bytes, const std::string& where) {
  Message message(bytes, where);
  TrainerSpec spec;
  while (!message.at_end()) {
    TERN_ASSIGN(const Field field, message.next());
    const bool used =
        field.number == 3 || field.number == 24 || field.number == 35 || (field.number >= 40 && field.number <= 43);
    if (used) TERN_TRY(expect_wire(message, field, 0));
    int32_t id = -1;
    if (field.number >= 40 && field.number <= 43) {
      TERN_ASSIGN(id, id_of(field, where));
    }
    switch (field.number) {
      case 3:
        spec.model_type = field.value;
        break;
      case 24:
        spec.suffix = field.value != 0;
        break;
      case 35:
        spec.byte_fallback = field.value != 0;
        break;
      case 40:
        spec.unk = id;
        break;
      case 41:
        spec.bos = id;
        break;
      case 42:
        spec.eos = id;
        break;
      case 43:
        spec.pad = id;
        break;
      default:  // 1..54: how the training went; the result is in the pieces
        if (field.number > 54) return unsupported(fmt::format("{}: unknown field {}", where, field.number));
    }
  }
  return spec;
}

Status check_trainer(const TrainerSpec& spec, const std::string& where) {
  constexpr const char* kNames[] = {"0", "unigram", "BPE", "word", "character"};
  if (spec.model_type != 2) {
    return unsupported(fmt::format("{}: model_type is {}, only BPE is supported", where,
                                   spec.model_type < 5 ? kNames[spec.model_type] : std::to_string(spec.model_type)));
  }
  if (spec.suffix) return unsupported(where + ": treat_whitespace_as_suffix is not supported");
  return {};
}

Status read_normalizer(std::span<const std::byte> bytes, const std::string& where, TokenizerData* data) {
  Message message(bytes, where);
  while (!message.at_end()) {
    TERN_ASSIGN(const Field field, message.next());
    if (field.number < 1 || field.number > 6) {
      return unsupported(fmt::format("{}: unknown field {}", where, field.number));
    }
    const bool flag = field.number >= 3 && field.number <= 5;
    TERN_TRY(expect_wire(message, field, flag ? 0 : 2));
    if (field.number == 1 && text_of(field) != "identity" && !field.bytes.empty()) {
      return unsupported(fmt::format("{}: normalizer '{}' is not supported, only 'identity'", where, text_of(field)));
    }
    if ((field.number == 2 || field.number == 6) && !field.bytes.empty()) {
      return unsupported(fmt::format("{}: a character map of {} bytes is not supported", where, field.bytes.size()));
    }
    if (field.number == 3) data->add_dummy_prefix = field.value != 0;
    if (field.number == 4) data->remove_extra_whitespaces = field.value != 0;
    if (field.number == 5) data->escape_whitespaces = field.value != 0;
  }
  return {};
}

// Decoding would change texts: it must be absent or empty.
Status check_denormalizer(std::span<const std::byte> bytes, const std::string& where) {
  TokenizerData ignored;
  return read_normalizer(bytes, where, &ignored);
}

}  // namespace

Result<TokenizerData> parse_sentencepiece(std::span<const std::byte> bytes, const std::string& name) {
  TokenizerData data;
  data.remove_extra_whitespaces = true;  // the schema's default
  std::optional<TrainerSpec> trainer;
  bool normalizer = false;
  Message message(bytes, name);
  while (!message.at_end()) {
    TERN_ASSIGN(const Field field, message.next());
    TERN_TRY(expect_wire(message, field, 2));
    switch (field.number) {
      case 1: {
        if (data.pieces.size() == kMaxPieces)
          return unsupported(fmt::format("{}: more than {} pieces", name, kMaxPieces));
        TERN_ASSIGN(Piece piece, read_piece(field.bytes, fmt::format("{}: piece {}", name, data.pieces.size())));
        data.pieces.push_back(std::move(piece));
        break;
      }
      case 2: {
        if (trainer) return corrupt(name + ": trainer_spec stands twice");
        TERN_ASSIGN(trainer, read_trainer(field.bytes, name + ": trainer_spec"));
        break;
      }
      case 3:
        if (normalizer) return corrupt(name + ": normalizer_spec stands twice");
        normalizer = true;
        TERN_TRY(read_normalizer(field.bytes, name + ": normalizer_spec", &data));
        break;
      case 4:
        break;  // self_test_data
      case 5:
        TERN_TRY(check_denormalizer(field.bytes, name + ": denormalizer_spec"));
        break;
      default:
        return unsupported(fmt::format("{}: unknown field {}; not a SentencePiece model?", name, field.number));
    }
  }
  if (!trainer) return corrupt(name + ": trainer_spec is missing; not a SentencePiece model?");
  // Optional in the schema, but every trained model has one: without it the file was cut off between fields.
  if (!normalizer) return corrupt(name + ": normalizer_spec is missing; is the file cut off?");
  TERN_TRY(check_trainer(*trainer, name + ": trainer_spec"));
  data.byte_fallback = trainer->byte_fallback;
  data.unknown = trainer->unk;
  data.bos = trainer->bos;
  data.eos = trainer->eos;
  data.pad = trainer->pad;
  if (data.eos >= 0) data.stop_ids = {data.eos};
  TERN_TRY(check_vocabulary(data, name));
  return data;
}

}  // namespace tern
