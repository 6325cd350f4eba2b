// Any vocabulary is refused or works: bytes become a TokenizerData and a text; where the tokenizer accepts the
// vocabulary, the text is encoded, ids are in range, and (with byte_fallback) decoding gives the text back.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "runtime/text/tokenizer.h"

namespace {

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  bool empty() const { return size_ == 0; }
  uint8_t byte() {
    if (empty()) return 0;
    --size_;
    return *data_++;
  }
  std::string bytes(size_t count) {
    std::string out;
    while (count-- > 0 && !empty()) out += static_cast<char>(byte());
    return out;
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

void add_bytes(tern::TokenizerData& data) {
  for (int byte = 0; byte < 256; ++byte) {
    char text[8];
    std::snprintf(text, sizeof text, "<0x%02X>", byte);
    data.pieces.push_back({text, 0, tern::PieceType::byte});
  }
}

// flags, number of pieces, then per piece: type, score, length, text; what is left is the text to encode.
tern::TokenizerData read_vocabulary(Input& input) {
  tern::TokenizerData data;
  const uint8_t flags = input.byte();
  data.add_dummy_prefix = flags & 1, data.remove_extra_whitespaces = flags & 2, data.escape_whitespaces = flags & 4;
  data.byte_fallback = flags & 8, data.add_bos = flags & 16;
  data.unknown = 0, data.bos = 1, data.eos = 2, data.stop_ids = {2};
  if (flags & 32) data.pad = static_cast<int8_t>(input.byte());
  data.pieces = {{"<unk>", 0, tern::PieceType::unknown},
                 {"<s>", 0, tern::PieceType::control},
                 {"</s>", 0, tern::PieceType::control}};
  if (flags & 64) add_bytes(data);
  for (uint8_t count = input.byte(); count-- > 0 && !input.empty();) {
    tern::Piece piece;
    piece.type = static_cast<tern::PieceType>(input.byte() % 8);
    piece.score = static_cast<float>(static_cast<int8_t>(input.byte()));
    const uint8_t length = input.byte();
    piece.text = length & 0x80 ? std::string(length & 0x7f, 'x') : input.bytes(length);
    data.pieces.push_back(piece);
  }
  return data;
}

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "fuzz_tokenizer: %s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  Input input(bytes, size);
  const tern::TokenizerData data = read_vocabulary(input);
  const auto tokenizer = tern::Tokenizer::create(data);
  if (!tokenizer.ok()) {
    require(!tokenizer.status().message().empty(), "an error without a message");
    return 0;
  }
  const std::string text = input.bytes(4096);
  const auto ids = (*tokenizer)->encode(text, true);
  require(ids.ok(), "a text that cannot be encoded");
  for (const int32_t id : *ids)
    require(id >= 0 && static_cast<size_t>(id) < data.pieces.size(), "an id outside the vocabulary");
  const std::string decoded = (*tokenizer)->decode(*ids);
  bool exact = data.byte_fallback && !data.remove_extra_whitespaces && text.find("\xE2\x96\x81") == std::string::npos;
  bool has_space = !data.escape_whitespaces;  // else a space is the bytes of U+2581, and comes back as those
  for (const tern::Piece& piece : data.pieces) {
    exact &= piece.text.find(' ') == std::string::npos;
    has_space |= piece.text == "\xE2\x96\x81" && piece.type != tern::PieceType::unused;
  }
  exact &= has_space;
  if (exact && data.escape_whitespaces) require(decoded == text, "decoding does not give the text back");
  return 0;
}
