#include "formats/import/tokenizer_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "formats/foreign/added_tokens.h"
#include "formats/foreign/gpt2_bpe.h"
#include "formats/foreign/json_document.h"
#include "formats/import/checkpoint_files.h"

namespace tern {
namespace {

using nlohmann::json;

constexpr size_t kQwen2Tokens = 151643, kGpt2Tokens = 50257;

// "bos_token": a string, or an object with its content.
std::string token_name(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  const json content = value.is_object() ? value.value("content", json()) : json();
  return content.is_string() ? content.get<std::string>() : std::string();
}

}  // namespace

Result<TokenizerConfig> TokenizerConfig::read(const std::string& path) {
  TokenizerConfig result;
  result.path_ = path;
  if (!file_exists(path)) return result;
  TERN_ASSIGN(result.config_, read_json_file(path));
  if (!result.config_.is_object()) return corrupt(path + ": expected a JSON object");
  return result;
}

bool TokenizerConfig::has_added_tokens() const {
  const auto found = config_.find("added_tokens_decoder");
  return found != config_.end() && found->is_object() && !found->empty();
}

std::string TokenizerConfig::tokenizer_class() const { return token_name(config_.value("tokenizer_class", json())); }

Status TokenizerConfig::apply_added_tokens(TokenizerData* data) const {
  json tokens = config_.value("added_tokens_decoder", json());
  if (data->kind == TokenizerKind::sentencepiece_bpe && tokens.is_object()) {
    // A SentencePiece model says itself what its pieces are.
    json more = json::object();
    for (const auto& [id, token] : tokens.items()) {
      if (std::strtoull(id.c_str(), nullptr, 10) >= data->pieces.size()) more[id] = token;
    }
    tokens = std::move(more);
  }
  const std::string where = path_ + ": added_tokens_decoder";
  TERN_ASSIGN(const auto added, read_added_tokens(tokens, where));
  for (const AddedToken& token : added) {
    const auto same = [&](const Piece& piece) { return piece.text == token.content; };
    const bool known = static_cast<size_t>(token.id) < data->pieces.size() && same(data->pieces[token.id]);
    if (!known && token.normalized && data->nfc) {
      return unsupported(
          fmt::format("{}: '{}' is looked for in normalized text, which is not supported", where, token.content));
    }
  }
  return add_tokens(added, path_, data);
}

Status TokenizerConfig::apply_name(const char* field, const TokenizerData& data, int32_t* id) const {
  const std::string name = token_name(config_.value(field, json()));
  if (name.empty()) return {};
  const auto found =
      std::find_if(data.pieces.begin(), data.pieces.end(), [&](const Piece& p) { return p.text == name; });
  if (found == data.pieces.end()) {
    return corrupt(fmt::format("{}: {} is '{}', which the tokenizer does not have", path_, field, name));
  }
  *id = static_cast<int32_t>(found - data.pieces.begin());
  return {};
}

Status TokenizerConfig::apply(TokenizerData* data) const {
  TERN_TRY(apply_added_tokens(data));
  if (data->kind == TokenizerKind::byte_bpe) {
    TERN_TRY(apply_name("bos_token", *data, &data->bos));
    TERN_TRY(apply_name("eos_token", *data, &data->eos));
    TERN_TRY(apply_name("pad_token", *data, &data->pad));
    const bool stops = std::find(data->stop_ids.begin(), data->stop_ids.end(), data->eos) != data->stop_ids.end();
    if (data->eos >= 0 && !stops) data->stop_ids.push_back(data->eos);
  }
  const std::pair<const char*, bool*> flags[] = {{"add_bos_token", &data->add_bos}, {"add_eos_token", &data->add_eos}};
  for (const auto& [field, out] : flags) {
    const json value = config_.value(field, json());
    if (value.is_null()) continue;
    if (!value.is_boolean())
      return corrupt(fmt::format("{}: {} is {}, expected true or false", path_, field, value.dump()));
    *out = value.get<bool>();
  }
  if (data->add_bos && data->bos < 0) return corrupt(path_ + ": a BOS comes first, but no bos_token is known");
  if (data->add_eos && data->eos < 0) return corrupt(path_ + ": an EOS comes last, but no eos_token is known");
  return {};
}

Result<TokenizerData> read_vocab_and_merges(const std::string& vocab_path, const TokenizerConfig& config) {
  std::string merges_path = vocab_path;
  merges_path.replace(merges_path.size() - std::string("vocab.json").size(), std::string::npos, "merges.txt");
  TERN_ASSIGN(const std::string vocab, read_small_file(vocab_path, kMaxJsonFileBytes));
  TERN_ASSIGN(const std::string merges, read_small_file(merges_path, kMaxJsonFileBytes));
  TERN_ASSIGN(TokenizerData data, parse_gpt2_bpe({vocab, vocab_path}, {merges, merges_path}));
  const std::string name = config.tokenizer_class();
  const bool qwen2 = name.starts_with("Qwen2Tokenizer") || (name.empty() && data.pieces.size() == kQwen2Tokens);
  const bool gpt2 = name.starts_with("GPT2Tokenizer") || (name.empty() && data.pieces.size() == kGpt2Tokens);
  if (!qwen2 && !gpt2) {
    return unsupported(
        fmt::format("{}: no file says how texts are cut ({} tokens, tokenizer_class '{}'); known are "
                    "Qwen2Tokenizer and GPT2Tokenizer",
                    vocab_path, data.pieces.size(), name));
  }
  data.patterns = {{qwen2 ? kQwen2Pattern : kGpt2Pattern, false}};
  data.nfc = qwen2;
  if (qwen2 && !config.has_added_tokens() && data.pieces.size() == kQwen2Tokens) {
    for (const char* token : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) {
      data.pieces.push_back({token, 0, PieceType::control});
    }
    data.eos = kQwen2Tokens;
    data.stop_ids = {kQwen2Tokens, kQwen2Tokens + 2};
  }
  return data;
}

}  // namespace tern
