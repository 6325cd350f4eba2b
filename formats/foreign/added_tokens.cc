#include "formats/foreign/added_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "formats/tern/byte_alphabet.h"
#include "formats/tern/limits.h"

namespace tern {
namespace {

using nlohmann::json;

constexpr int64_t kMaxGap = 65536;

Result<bool> flag_of(const json& token, const char* field, bool otherwise, const std::string& where) {
  const auto found = token.find(field);
  if (found == token.end() || found->is_null()) return otherwise;
  if (found->is_boolean()) return found->get<bool>();
  return corrupt(fmt::format("{}: {} is {}, expected true or false", where, field, found->dump()));
}

Result<AddedToken> read_token(const json& token, int64_t id, const std::string& name) {
  const std::string where = fmt::format("{}: added token {}", name, id);
  if (!token.is_object() || !token.contains("content") || !token["content"].is_string()) {
    return corrupt(where + ": expected an object with its content");
  }
  AddedToken result{id, token["content"].get<std::string>(), false, false};
  TERN_ASSIGN(result.special, flag_of(token, "special", false, where));
  TERN_ASSIGN(result.normalized, flag_of(token, "normalized", !result.special, where));
  for (const char* field : {"lstrip", "rstrip", "single_word"}) {
    TERN_ASSIGN(const bool set, flag_of(token, field, false, where));
    if (set) return unsupported(fmt::format("{} '{}': {} is not supported", where, result.content, field));
  }
  if (result.content.empty() || result.content.size() > kMaxSpecialBytes) {
    return unsupported(
        fmt::format("{} has {} bytes, expected 1 to {}", where, result.content.size(), kMaxSpecialBytes));
  }
  return result;
}

// Places the token; the piece must be free or hold it already.
Status place(const AddedToken& token, const std::string& where, TokenizerData* data) {
  const bool bytes = data->kind == TokenizerKind::byte_bpe;
  const auto size = static_cast<int64_t>(data->pieces.size());
  if (token.id >= size + (bytes ? kMaxGap : 1)) {
    return corrupt(fmt::format("{}: the id is far beyond the {} pieces", where, size));
  }
  if (token.id >= size) data->pieces.resize(static_cast<size_t>(token.id) + 1, {"", 0, PieceType::unused});
  Piece& piece = data->pieces[static_cast<size_t>(token.id)];
  const bool same =
      piece.text.empty() || piece.text == token.content || (bytes && piece.text == from_byte_alphabet(token.content));
  if (!same) return corrupt(fmt::format("{}: the vocabulary has another token of that id", where));
  if (!bytes && piece.text == token.content && piece.type != PieceType::normal) return {};  // as its model says
  if (!bytes && !token.special) return unsupported(where + ": it is not special, which SentencePiece cannot follow");
  piece = {token.content, 0, token.special ? PieceType::control : PieceType::user_defined};
  return {};
}

}  // namespace

Result<std::vector<AddedToken>> read_added_tokens(const json& tokens, const std::string& name) {
  std::vector<AddedToken> result;
  if (tokens.is_null()) return result;
  if (!tokens.is_array() && !tokens.is_object()) return corrupt(name + ": expected a list or an object");
  if (tokens.size() > kMaxPieces) return corrupt(fmt::format("{}: more than {} tokens", name, kMaxPieces));
  for (const auto& [key, token] : tokens.items()) {
    int64_t id = -1;
    if (tokens.is_object()) {
      const char* const end = key.data() + key.size();
      if (std::from_chars(key.data(), end, id).ptr != end) id = -1;
    } else if (token.is_object() && token.contains("id") && token["id"].is_number_unsigned()) {
      id = static_cast<int64_t>(std::min<uint64_t>(token["id"].get<uint64_t>(), kMaxPieces));
    }
    if (id < 0 || id >= static_cast<int64_t>(kMaxPieces)) return corrupt(fmt::format("{}: '{}' has no id", name, key));
    TERN_ASSIGN(AddedToken read, read_token(token, id, name));
    result.push_back(std::move(read));
  }
  std::sort(result.begin(), result.end(), [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  return result;
}

Status add_tokens(const std::vector<AddedToken>& tokens, const std::string& name, TokenizerData* data) {
  for (const AddedToken& token : tokens) {
    TERN_TRY(place(token, fmt::format("{}: added token {} '{}'", name, token.id, token.content), data));
  }
  return {};
}

}  // namespace tern
