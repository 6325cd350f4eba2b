#include <array>

#include "runtime/text/piece_encoder.h"
#include "runtime/text/tokenizer_kinds.h"
#include "runtime/text/utf8.h"
#include "runtime/text/vocabulary.h"

namespace tern {
namespace {

constexpr std::string_view kUnknownSurface = " \xE2\x81\x87 ";  // U+2047, as sentencepiece writes an unknown piece

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  std::string out;
  size_t begin = 0;
  for (size_t at; (at = text.find(from, begin)) != std::string::npos; begin = at + from.size()) {
    out.append(text, begin, at - begin);
    out += to;
  }
  out.append(text, begin);
  text = std::move(out);
}

// Drops leading and repeated spaces.
std::string squeeze_spaces(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
  }
  return out;
}

class SentencePieceTokenizer final : public Tokenizer {
 public:
  SentencePieceTokenizer(TokenizerData data, std::unique_ptr<PieceEncoder> encoder)
      : Tokenizer(std::move(data)), encoder_(std::move(encoder)) {
    byte_ids_.fill(-1);
    for (size_t id = 0; id < data_.pieces.size(); ++id) {
      if (data_.pieces[id].type != PieceType::byte) continue;
      byte_ids_[static_cast<size_t>(byte_of_piece(data_.pieces[id].text))] = static_cast<int32_t>(id);
    }
  }

  std::string piece(int32_t token, int32_t previous) const override {
    if (token < 0 || static_cast<size_t>(token) >= data_.pieces.size()) return {};
    const Piece& piece = data_.pieces[static_cast<size_t>(token)];
    if (piece.type == PieceType::control) return {};
    if (piece.type == PieceType::byte) return std::string(1, static_cast<char>(byte_of_piece(piece.text)));
    if (piece.type == PieceType::unknown) return std::string(kUnknownSurface);
    std::string text = piece.text;
    if (data_.escape_whitespaces) replace_all(text, kSpaceSymbol, " ");
    const bool first = previous < 0 || previous == data_.bos;
    if (first && data_.add_dummy_prefix && text.starts_with(' ')) text.erase(0, 1);
    return text;
  }

 protected:
  Status encode_plain(std::string_view text, bool inner, std::vector<int32_t>& ids) const override {
    return encode_runs(normalize(text, inner), ids);
  }

 private:
  // What sentencepiece's identity normalizer does with the same three flags, for any bytes.
  std::string normalize(std::string_view text, bool inner) const {
    std::string out = data_.remove_extra_whitespaces ? squeeze_spaces(text) : std::string(text);
    if (out.empty()) return out;
    if (data_.add_dummy_prefix && !inner) out.insert(out.begin(), ' ');
    if (data_.escape_whitespaces) replace_all(out, " ", kSpaceSymbol);
    const std::string_view space = data_.escape_whitespaces ? kSpaceSymbol : " ";
    std::string_view kept = out;
    while (data_.remove_extra_whitespaces && kept.ends_with(space)) kept.remove_suffix(space.size());
    return std::string(kept);
  }

  // Valid runs go to the encoder. An invalid byte cannot be part of a piece: it becomes its byte token, or
  // U+FFFD (sentencepiece's choice) when the vocabulary has no bytes.
  Status encode_runs(const std::string& text, std::vector<int32_t>& ids) const {
    std::string run;
    std::string_view rest = text;
    while (!rest.empty()) {
      const Utf8Step step = utf8_step(rest);
      if (step.kind == Utf8Step::Kind::valid) {
        run += rest.substr(0, step.bytes);
      } else if (!data_.byte_fallback) {
        for (size_t i = 0; i < step.bytes; ++i) run += kReplacementCharacter;
      } else {
        TERN_TRY(encoder_->encode(run, ids));
        run.clear();
        for (const char c : rest.substr(0, step.bytes)) ids.push_back(byte_ids_[static_cast<uint8_t>(c)]);
      }
      rest.remove_prefix(step.bytes);
    }
    return encoder_->encode(run, ids);
  }

  std::unique_ptr<PieceEncoder> encoder_;
  std::array<int32_t, 256> byte_ids_;
};

}  // namespace

Result<std::unique_ptr<Tokenizer>> make_sentencepiece_tokenizer(const TokenizerData& data) {
  TERN_ASSIGN(auto encoder, make_sentencepiece_encoder(data));
  return std::unique_ptr<Tokenizer>(std::make_unique<SentencePieceTokenizer>(data, std::move(encoder)));
}

}  // namespace tern
