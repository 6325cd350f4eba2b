#include "runtime/text/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "runtime/text/tokenizer_kinds.h"
#include "runtime/text/vocabulary.h"

namespace tern {
namespace {

constexpr size_t kMaxTextBytes = 256u << 20;

}  // namespace

Result<std::unique_ptr<Tokenizer>> Tokenizer::create(const TokenizerData& data) {
  TERN_TRY(validate_vocabulary(data));
  return data.kind == TokenizerKind::byte_bpe ? make_byte_bpe_tokenizer(data) : make_sentencepiece_tokenizer(data);
}

Tokenizer::Tokenizer(TokenizerData data)
    : data_(std::move(data)), special_(data_.pieces, {PieceType::control, PieceType::user_defined}) {}

Result<std::vector<int32_t>> Tokenizer::start(std::string_view text, bool add_bos) const {
  if (text.size() > kMaxTextBytes) {
    return invalid_argument(
        fmt::format("a text of {} bytes is too long to tokenize at once, at most {}", text.size(), kMaxTextBytes));
  }
  std::vector<int32_t> ids;
  if (add_bos && data_.add_bos) ids.push_back(data_.bos);
  return ids;
}

Result<std::vector<int32_t>> Tokenizer::encode(std::string_view text, bool add_bos) const {
  TERN_ASSIGN(auto ids, start(text, add_bos));
  TERN_TRY(encode_plain(text, false, ids));
  return ids;
}

Result<std::vector<int32_t>> Tokenizer::encode_special(std::string_view text, bool add_bos) const {
  TERN_ASSIGN(auto ids, start(text, add_bos));
  size_t plain = 0, from = 0;  // what begins here is not encoded yet, not searched yet
  while (const auto match = special_.find(text, from)) {
    from = match->begin + match->bytes;
    if (data_.pieces[static_cast<size_t>(match->id)].type != PieceType::control) continue;  // left to encode_plain
    if (match->begin > plain) TERN_TRY(encode_plain(text.substr(plain, match->begin - plain), false, ids));
    ids.push_back(match->id);
    plain = from;
  }
  if (plain < text.size()) TERN_TRY(encode_plain(text.substr(plain), false, ids));
  return ids;
}

Result<std::vector<int32_t>> Tokenizer::encode_inner(std::string_view text) const {
  TERN_ASSIGN(auto ids, start(text, false));
  TERN_TRY(encode_plain(text, true, ids));
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> tokens) const {
  std::string text;
  int32_t previous = -1;
  for (const int32_t token : tokens) {
    text += piece(token, previous);
    previous = token;
  }
  return text;
}

bool Tokenizer::is_stop(int32_t token) const {
  return std::find(data_.stop_ids.begin(), data_.stop_ids.end(), token) != data_.stop_ids.end();
}

}  // namespace tern
