// tokenizer.json of Llama 2, Mistral and others that were converted from a SentencePiece BPE model. The converter
// (transformers' generate_merges) lists, piece by piece in the order of scores, every pair of pieces that gives it. If
// the file holds exactly that, ranks of the pieces are scores again and the SentencePiece model is restored.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <unordered_map>

#include "formats/foreign/added_tokens.h"
#include "formats/foreign/gpt2_bpe.h"
#include "formats/foreign/pre_tokenizer.h"
#include "formats/foreign/tokenizer_json.h"
#include "formats/foreign/vocabulary.h"
#include "formats/tern/limits.h"

namespace tern {
namespace {

using nlohmann::json;

constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581

using PieceIds = std::unordered_map<std::string_view, uint32_t>;

Status read_json_pieces(const json& model, const std::string& where, TokenizerData* data) {
  const auto vocab = model.find("vocab");
  if (vocab == model.end() || !vocab->is_object() || vocab->empty() || vocab->size() > kMaxPieces) {
    return corrupt(fmt::format("{}: vocab is not an object of 1 to {} tokens", where, kMaxPieces));
  }
  data->pieces.resize(vocab->size());
  const json unknown = model.value("unk_token", json());
  for (const auto& [token, id] : vocab->items()) {
    const bool fits = id.is_number_unsigned() && id.get<uint64_t>() < vocab->size();
    if (!fits || token.empty() || !data->pieces[id.get<uint64_t>()].text.empty()) {
      return corrupt(fmt::format("{}: vocab: '{}' is empty, or its id stands twice or leaves a gap", where, token));
    }
    Piece& piece = data->pieces[id.get<uint64_t>()];
    piece.text = token;
    if (unknown == json(token)) {
      piece.type = PieceType::unknown;
      data->unknown = id.get<int32_t>();
    } else if (token.size() == 6 && token.starts_with("<0x") && token.back() == '>') {
      piece.type = PieceType::byte;  // check_vocabulary looks at the digits
    }
  }
  return {};
}

bool starts_character(char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }

// How many pairs give the piece in SentencePiece: both parts are normal pieces, or single characters.
size_t count_splits(std::string_view text, const TokenizerData& data, const PieceIds& ids) {
  const auto is_part = [&](std::string_view part) {
    const auto found = ids.find(part);
    if (found != ids.end() && data.pieces[found->second].type == PieceType::normal) return true;
    return std::count_if(part.begin(), part.end(), starts_character) == 1;
  };
  size_t count = 0;
  for (size_t i = 1; i < text.size(); ++i) {
    count += starts_character(text[i]) && is_part(text.substr(0, i)) && is_part(text.substr(i));
  }
  return count;
}

// Scores from the merges: pieces that are made earlier have higher ones.
Status read_scores(const std::vector<TokenPair>& merges, const std::string& where, TokenizerData* data) {
  PieceIds ids;
  for (uint32_t id = 0; id < data->pieces.size(); ++id) ids.emplace(data->pieces[id].text, id);
  std::vector<uint32_t> made(data->pieces.size(), 0);  // merges that give the piece
  int64_t last = -1;
  float score = 0;
  for (size_t i = 0; i < merges.size(); ++i) {
    const auto result = ids.find(merges[i].first + merges[i].second);
    const auto left = ids.find(merges[i].first), right = ids.find(merges[i].second);
    const bool pieces = result != ids.end() && left != ids.end() && right != ids.end();
    for (const auto& part : {left, right, result}) {
      if (!pieces || data->pieces[part->second].type != PieceType::normal) {
        return unsupported(fmt::format("{}: merge {} is not of and to normal pieces", where, i));
      }
    }
    if (result->second != last && made[result->second] > 0) {
      return unsupported(fmt::format("{}: merge {} gives '{}' again, after another piece: not from SentencePiece",
                                     where, i, data->pieces[result->second].text));
    }
    if (result->second != last) data->pieces[result->second].score = --score;
    last = result->second;
    ++made[result->second];
  }
  for (uint32_t id = 0; id < data->pieces.size(); ++id) {
    const Piece& piece = data->pieces[id];
    if (piece.type != PieceType::normal) continue;
    if (piece.text.size() > kMaxSpecialBytes) return unsupported(fmt::format("{}: piece {} is too long", where, id));
    const size_t splits = count_splits(piece.text, *data, ids);
    if (splits != made[id]) {
      return unsupported(fmt::format("{}: {} merges give '{}', which SentencePiece would split in {} ways", where,
                                     made[id], piece.text, splits));
    }
  }
  return {};
}

bool is_space_replacement(const json& component) {
  const json pattern = component.value("pattern", json());
  return pattern == json{{"String", " "}} && component.value("content", json()) == json(kSpace);
}

// [Prepend U+2581,] Replace " " by U+2581.
Status read_json_normalizer(const json& normalizer, const std::string& where, TokenizerData* data, bool* replaces) {
  if (normalizer.is_null()) return {};
  TERN_ASSIGN(const std::string type, type_of_component(normalizer, where));
  const json members = type == "Sequence" ? normalizer.value("normalizers", json()) : json::array({normalizer});
  if (!members.is_array()) return corrupt(where + ": normalizers of a Sequence is not a list");
  for (const json& member : members) {
    TERN_ASSIGN(const std::string kind, type_of_component(member, where));
    const bool prepend = kind == "Prepend" && member.value("prepend", json()) == json(kSpace);
    const bool replace = kind == "Replace" && is_space_replacement(member);
    if ((!prepend && !replace) || *replaces || (prepend && data->add_dummy_prefix)) {
      return unsupported(fmt::format("{}: '{}' is not supported here", where, kind.substr(0, 40)));
    }
    (prepend ? data->add_dummy_prefix : *replaces) = true;
  }
  return {};
}

Status read_metaspace(const json& component, const std::string& where, TokenizerData* data, bool* replaces) {
  if (component.is_null()) return {};
  TERN_ASSIGN(const std::string type, type_of_component(component, where));
  TERN_TRY(check_fields(component, {"type", "replacement", "prepend_scheme", "add_prefix_space", "split"}, where));
  TERN_ASSIGN(const bool split, flag_of_component(component, "split", true, where));
  TERN_ASSIGN(const bool prefix, flag_of_component(component, "add_prefix_space", true, where));
  if (type != "Metaspace" || *replaces || split || component.value("replacement", json()) != json(kSpace)) {
    return unsupported(where + ": only Metaspace with U+2581 and without splitting is supported");
  }
  const json scheme = component.value("prepend_scheme", json(prefix ? "always" : "never"));
  if (scheme != "always" && scheme != "first" && scheme != "never") {
    return unsupported(where + ": prepend_scheme is not always, first or never");
  }
  *replaces = true;
  data->add_dummy_prefix = scheme != "never";
  return {};
}

Status check_decoder(const json& decoder, const std::string& where) {
  TERN_ASSIGN(const std::string type, type_of_component(decoder, where));
  const json members = type == "Sequence" ? decoder.value("decoders", json()) : json();
  bool bytes = false, replace = false;
  for (const json& member : members.is_array() ? members : json::array()) {
    TERN_ASSIGN(const std::string kind, type_of_component(member, where));
    bytes = bytes || kind == "ByteFallback";
    replace = replace || kind == "Replace" || kind == "Metaspace";
    if (kind != "ByteFallback" && kind != "Replace" && kind != "Metaspace" && kind != "Fuse" && kind != "Strip") {
      return unsupported(fmt::format("{}: '{}' is not supported here", where, kind.substr(0, 40)));
    }
  }
  return bytes && replace ? Status()
                          : unsupported(where + ": expected a Sequence of Replace, ByteFallback, Fuse, Strip");
}

}  // namespace

bool is_sentencepiece_json(const json& file) {
  const json pre_tokenizer = file.value("pre_tokenizer", json());
  const bool metaspace = pre_tokenizer.is_object() && pre_tokenizer.value("type", json()) == json("Metaspace");
  return file["model"].value("byte_fallback", json()) == json(true) && (pre_tokenizer.is_null() || metaspace);
}

Result<TokenizerData> read_sentencepiece_json(const json& file, const std::string& name) {
  const json& model = file["model"];
  TokenizerData data;
  data.add_dummy_prefix = false;
  TERN_TRY(read_json_pieces(model, name + ": model", &data));
  TERN_ASSIGN(const bool whole_first, flag_of_component(model, "ignore_merges", false, name + ": model"));
  if (whole_first) return unsupported(name + ": model: ignore_merges is not supported here");
  TERN_ASSIGN(const auto merges, read_json_merges(model, name + ": model.merges"));
  TERN_ASSIGN(const auto added, read_added_tokens(file.value("added_tokens", json()), name + ": added_tokens"));
  TERN_TRY(add_tokens(added, name, &data));
  TERN_TRY(read_scores(merges, name, &data));
  bool replaces = false;
  TERN_TRY(read_json_normalizer(file.value("normalizer", json()), name + ": normalizer", &data, &replaces));
  TERN_TRY(read_metaspace(file.value("pre_tokenizer", json()), name + ": pre_tokenizer", &data, &replaces));
  if (!replaces) return unsupported(name + ": nothing replaces spaces by U+2581");
  TERN_TRY(check_decoder(file.value("decoder", json()), name + ": decoder"));
  TERN_TRY(read_post_processor(file.value("post_processor", json()), name + ": post_processor", &data));
  if (data.eos >= 0) data.stop_ids = {data.eos};
  TERN_TRY(check_vocabulary(data, name));
  return data;
}

}  // namespace tern
