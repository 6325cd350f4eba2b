// The few fields of sentencepiece_model.proto that a BPE model needs, in protobuf wire format.
#include "runtime/text/piece_encoder.h"

namespace tern {
namespace {

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void put_integer(std::string& out, uint32_t field, int64_t value) {
  put_varint(out, field << 3 | 0);
  put_varint(out, static_cast<uint64_t>(value));
}

void put_bytes(std::string& out, uint32_t field, std::string_view bytes) {
  put_varint(out, field << 3 | 2);
  put_varint(out, bytes.size());
  out += bytes;
}

void put_float(std::string& out, uint32_t field, float value) {
  put_varint(out, field << 3 | 5);
  const uint32_t bits = __builtin_bit_cast(uint32_t, value);
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(bits >> shift));
}

// ModelProto.SentencePiece
std::string piece_message(const Piece& piece) {
  std::string out;
  put_bytes(out, 1, piece.text);
  put_float(out, 2, piece.score);
  put_integer(out, 3, static_cast<int>(piece.type));  // our numbers are those of the proto
  return out;
}

std::string trainer_spec(const TokenizerData& data) {
  constexpr int kBpe = 2;
  std::string out;
  put_integer(out, 3, kBpe);  // model_type
  put_integer(out, 35, data.byte_fallback);
  put_integer(out, 40, data.unknown);
  put_integer(out, 41, data.bos);
  put_integer(out, 42, data.eos);
  put_integer(out, 43, data.pad);
  return out;
}

std::string normalizer_spec(const TokenizerData& data) {
  std::string out;
  put_bytes(out, 1, "identity");  // name
  put_integer(out, 3, data.add_dummy_prefix);
  put_integer(out, 4, data.remove_extra_whitespaces);
  put_integer(out, 5, data.escape_whitespaces);
  return out;
}

}  // namespace

std::string serialize_sentencepiece_model(const TokenizerData& data) {
  std::string out;
  for (const Piece& piece : data.pieces) put_bytes(out, 1, piece_message(piece));
  put_bytes(out, 2, trainer_spec(data));
  put_bytes(out, 3, normalizer_spec(data));
  return out;
}

}  // namespace tern
