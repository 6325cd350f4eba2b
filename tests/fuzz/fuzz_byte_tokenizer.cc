// Any byte-level vocabulary and pattern is refused or works: the text is encoded or refused with one sentence, ids are
// in range, and (without NFC) decoding gives the text back.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "runtime/text/tokenizer.h"

namespace {

class InputBytes {
 public:
  InputBytes(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  uint8_t next() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  std::string take(size_t count) {
    std::string out;
    while (count-- > 0 && size_ > 0) out += static_cast<char>(next());
    return out;
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

void must(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "fuzz_byte_tokenizer: %s\n", what);
  std::abort();
}

// flags; patterns: count, then flags, length, text; pieces: count, then type and length, text; merges: count, then two
// ids; what is left is the text.
tern::TokenizerData read_data(InputBytes& input) {
  tern::TokenizerData data;
  data.kind = tern::TokenizerKind::byte_bpe;
  data.add_bos = data.add_dummy_prefix = data.escape_whitespaces = data.byte_fallback = false;
  const uint8_t flags = input.next();
  data.nfc = flags & 1, data.whole_piece_first = flags & 2, data.rank_by_id = flags & 4;
  for (int byte = 0; byte < 256; ++byte) {
    data.pieces.push_back({std::string(1, static_cast<char>(byte)), 0, tern::PieceType::normal});
  }
  for (int count = input.next() % 4; count-- > 0;) {
    const bool alphabet = input.next() & 1;
    data.patterns.push_back({input.take(input.next()), alphabet});
  }
  for (int count = input.next(); count-- > 0;) {
    const uint8_t head = input.next();
    data.pieces.push_back({input.take(head >> 3), 0, static_cast<tern::PieceType>(head & 7)});
  }
  for (int count = input.next(); count-- > 0;) {
    const uint32_t left = input.next() | (input.next() & 1u) << 8;
    data.merges.emplace_back(left, input.next() | (input.next() & 1u) << 8);
  }
  return data;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  InputBytes input(bytes, size);
  const tern::TokenizerData data = read_data(input);
  const auto tokenizer = tern::Tokenizer::create(data);
  if (!tokenizer.ok()) {
    must(tokenizer.status().message().size() > 8, "an error without a message");
    return 0;
  }
  const std::string text = input.take(2048);
  for (const bool special : {false, true}) {
    const auto ids = special ? (*tokenizer)->encode_special(text, true) : (*tokenizer)->encode(text, true);
    if (!ids.ok()) {
      must(ids.status().code() == tern::Code::invalid_argument, "an error that is not about the text");
      continue;
    }
    bool control = false;
    for (const int32_t id : *ids) {
      must(id >= 0 && static_cast<size_t>(id) < data.pieces.size(), "an id outside the vocabulary");
      control |= data.pieces[static_cast<size_t>(id)].type == tern::PieceType::control;
    }
    must(special || !control, "a control token from a text");
    if (!data.nfc && !control) must((*tokenizer)->decode(*ids) == text, "decoding does not give the text back");
  }
  return 0;
}
