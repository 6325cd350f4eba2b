#include "formats/foreign/gpt2_bpe.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/foreign/json_document.h"
#include "formats/foreign/vocabulary.h"
#include "formats/tern/byte_alphabet.h"
#include "formats/tern/limits.h"

namespace tern {
namespace {

using nlohmann::json;

constexpr size_t kMaxHoles = 65536;  // ids that no token has

bool is_id(const json& value) { return value.is_number_unsigned() && value.get<uint64_t>() < kMaxPieces; }

Result<uint32_t> id_of_token(const json& vocab, const std::string& token, const std::string& where) {
  const auto found = vocab.find(token);
  if (found != vocab.end()) return found->get<uint32_t>();
  return corrupt(fmt::format("{}: '{}' is not in the vocabulary", where, token));
}

}  // namespace

const char* const kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
const char* const kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

Status read_byte_vocabulary(const json& vocab, const std::string& name, TokenizerData* data) {
  if (!vocab.is_object() || vocab.empty()) return corrupt(name + ": expected an object of tokens and their ids");
  uint64_t last = 0;
  for (const auto& [token, id] : vocab.items()) {
    if (!is_id(id)) return corrupt(fmt::format("{}: the id of '{}' is {}", name, token, id.dump()));
    last = std::max(last, id.get<uint64_t>());
  }
  if (last >= vocab.size() + kMaxHoles) {
    return corrupt(fmt::format("{}: {} tokens, but an id is {}", name, vocab.size(), last));
  }
  data->pieces.assign(last + 1, {"", 0, PieceType::unused});
  for (const auto& [token, id] : vocab.items()) {
    Piece& piece = data->pieces[id.get<uint64_t>()];
    if (!piece.text.empty()) return corrupt(fmt::format("{}: the id of '{}' stands twice", name, token));
    if (token.empty()) return corrupt(name + ": a token is empty");
    auto bytes = from_byte_alphabet(token);
    piece = bytes ? Piece{std::move(*bytes), 0, PieceType::normal} : Piece{token, 0, PieceType::unused};
  }
  return {};
}

Status add_byte_merges(const json& vocab, const std::vector<TokenPair>& merges, const std::string& name,
                       TokenizerData* data) {
  if (merges.size() > kMaxMerges) return corrupt(fmt::format("{}: more than {} merges", name, kMaxMerges));
  data->merges.reserve(merges.size());
  for (size_t i = 0; i < merges.size(); ++i) {
    const auto& [left, right] = merges[i];
    const std::string where = fmt::format("{}: merge {}", name, i);
    TERN_ASSIGN(const uint32_t a, id_of_token(vocab, left, where));
    TERN_ASSIGN(const uint32_t b, id_of_token(vocab, right, where));
    TERN_TRY(id_of_token(vocab, left + right, where).status());
    data->merges.emplace_back(a, b);
  }
  return {};
}

Result<TokenPair> split_merge(std::string_view line, const std::string& where) {
  const size_t space = line.find(' ');
  if (space == std::string_view::npos || space == 0 || space + 1 == line.size() ||
      line.find(' ', space + 1) != std::string_view::npos) {
    return corrupt(fmt::format("{}: '{}' is not two tokens with a space between", where, line.substr(0, 80)));
  }
  return TokenPair(line.substr(0, space), line.substr(space + 1));
}

Result<TokenizerData> parse_gpt2_bpe(const NamedText& vocab, const NamedText& merges) {
  TERN_ASSIGN(const json tokens, parse_json(vocab.text, vocab.name));
  TokenizerData data = byte_bpe_vocabulary();
  TERN_TRY(read_byte_vocabulary(tokens, vocab.name, &data));
  std::vector<TokenPair> pairs;
  std::string_view rest = merges.text;
  for (size_t line = 1; !rest.empty(); ++line) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view text = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if ((line == 1 && text.starts_with("#version")) || (text.empty() && rest.empty())) continue;
    TERN_ASSIGN(TokenPair pair, split_merge(text, fmt::format("{}: line {}", merges.name, line)));
    pairs.push_back(std::move(pair));
  }
  TERN_TRY(add_byte_merges(tokens, pairs, merges.name, &data));
  TERN_TRY(check_vocabulary(data, vocab.name));
  return data;
}

}  // namespace tern
