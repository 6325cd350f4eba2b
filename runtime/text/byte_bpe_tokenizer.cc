#include "runtime/text/piece_encoder.h"
#include "runtime/text/piece_matcher.h"
#include "runtime/text/tokenizer_kinds.h"

namespace tern {
namespace {

class ByteBpeTokenizer final : public Tokenizer {
 public:
  ByteBpeTokenizer(TokenizerData data, std::unique_ptr<PieceEncoder> encoder)
      : Tokenizer(std::move(data)), encoder_(std::move(encoder)), user_(data_.pieces, {PieceType::user_defined}) {
    data_.merges = {};  // the encoder has its own
  }

  std::string piece(int32_t token, int32_t) const override {
    if (token < 0 || static_cast<size_t>(token) >= data_.pieces.size()) return {};
    const Piece& piece = data_.pieces[static_cast<size_t>(token)];
    return piece.type == PieceType::control ? std::string() : piece.text;
  }

 protected:
  Status encode_plain(std::string_view text, bool, std::vector<int32_t>& ids) const override {
    size_t from = 0;
    while (const auto match = user_.find(text, from)) {
      TERN_TRY(encoder_->encode(text.substr(from, match->begin - from), ids));
      ids.push_back(match->id);
      from = match->begin + match->bytes;
    }
    return encoder_->encode(text.substr(from), ids);
  }

 private:
  std::unique_ptr<PieceEncoder> encoder_;
  PieceMatcher user_;
};

}  // namespace

Result<std::unique_ptr<Tokenizer>> make_byte_bpe_tokenizer(const TokenizerData& data) {
  TERN_ASSIGN(auto encoder, make_byte_bpe_encoder(data));
  return std::unique_ptr<Tokenizer>(std::make_unique<ByteBpeTokenizer>(data, std::move(encoder)));
}

}  // namespace tern
