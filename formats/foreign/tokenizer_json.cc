#include "formats/foreign/tokenizer_json.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/foreign/added_tokens.h"
#include "formats/foreign/gpt2_bpe.h"
#include "formats/foreign/json_document.h"
#include "formats/foreign/pre_tokenizer.h"
#include "formats/foreign/vocabulary.h"

namespace tern {
namespace {

using nlohmann::json;

// Fields that must not say anything: null, false, 0 or "".
Status expect_nothing(const json& model, std::initializer_list<const char*> fields, const std::string& where) {
  for (const char* field : fields) {
    const json value = model.value(field, json());
    const bool nothing = value.is_null() || value == json(false) || value == json("") || value == json(0);
    if (!nothing) return unsupported(fmt::format("{}: {} is set, which is not supported", where, field));
  }
  return {};
}

Status check_model(const json& model, const std::string& where) {
  if (!model.is_object()) return corrupt(where + ": expected an object");
  const json type = model.value("type", json());
  if (!type.is_null() && type != json("BPE")) {
    return unsupported(
        fmt::format("{}: type is {}, only BPE is supported", where, type.dump(-1, ' ', true).substr(0, 40)));
  }
  TERN_TRY(check_fields(model,
                        {"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
                         "byte_fallback", "ignore_merges", "vocab", "merges"},
                        where));
  return expect_nothing(model, {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}, where);
}

// Tokens of both sorts are looked for in one pass here, in Hugging Face's library the normalized ones afterwards:
// that is the same unless the normalizer changes texts or tokens of both sorts overlap.
Status check_one_pass(const std::vector<AddedToken>& tokens, bool normalizer, const std::string& name) {
  const auto normalized = std::count_if(tokens.begin(), tokens.end(), [](const auto& t) { return t.normalized; });
  if (normalized == 0) return {};
  const auto first = std::find_if(tokens.begin(), tokens.end(), [](const auto& t) { return t.normalized; });
  if (normalizer) {
    return unsupported(fmt::format("{}: added token '{}' is looked for in normalized text, which is not supported",
                                   name, first->content));
  }
  const auto overlap = [](const std::string& a, const std::string& b) {
    if (a.find(b) != std::string::npos || b.find(a) != std::string::npos) return true;
    for (size_t n = 1; n < std::min(a.size(), b.size()); ++n) {
      if (a.ends_with(b.substr(0, n)) || b.ends_with(a.substr(0, n))) return true;
    }
    return false;
  };
  constexpr size_t kMaxPairs = 1u << 20;
  const size_t others = tokens.size() - static_cast<size_t>(normalized);
  if (others * static_cast<size_t>(normalized) > kMaxPairs) {
    return unsupported(name + ": too many added tokens, normalized ones and others");
  }
  for (const AddedToken& a : tokens) {
    for (const AddedToken& b : tokens) {
      if (a.normalized && !b.normalized && overlap(a.content, b.content)) {
        return unsupported(
            fmt::format("{}: added tokens '{}' (normalized) and '{}' (not) overlap", name, a.content, b.content));
      }
    }
  }
  return {};
}

Result<TokenizerData> read_byte_level(const json& file, const std::string& name) {
  const json& model = file["model"];
  TokenizerData data = byte_bpe_vocabulary();
  if (!model.contains("vocab")) return corrupt(name + ": model.vocab is missing");
  const json& vocab = model["vocab"];
  TERN_TRY(read_byte_vocabulary(vocab, name + ": model.vocab", &data));
  TERN_ASSIGN(const auto merges, read_json_merges(model, name + ": model.merges"));
  TERN_TRY(add_byte_merges(vocab, merges, name + ": model.merges", &data));
  TERN_ASSIGN(data.whole_piece_first, flag_of_component(model, "ignore_merges", false, name + ": model"));
  TERN_TRY(read_byte_normalizer(file.value("normalizer", json()), name + ": normalizer", &data));
  TERN_TRY(read_pre_tokenizer(file.value("pre_tokenizer", json()), name + ": pre_tokenizer", &data));
  TERN_TRY(read_post_processor(file.value("post_processor", json()), name + ": post_processor", &data));
  const json decoder = file.value("decoder", json());
  TERN_ASSIGN(const std::string decoder_type, type_of_component(decoder, name + ": decoder"));
  if (decoder_type != "ByteLevel") {
    return unsupported(fmt::format("{}: decoder is '{}', expected ByteLevel", name, decoder_type.substr(0, 40)));
  }
  TERN_ASSIGN(const auto added, read_added_tokens(file.value("added_tokens", json()), name + ": added_tokens"));
  TERN_TRY(check_one_pass(added, data.nfc, name));
  TERN_TRY(add_tokens(added, name, &data));
  if (data.eos >= 0) data.stop_ids = {data.eos};
  TERN_TRY(check_vocabulary(data, name));
  return data;
}

}  // namespace

Result<std::vector<TokenPair>> read_json_merges(const json& model, const std::string& where) {
  if (!model.contains("merges") || !model["merges"].is_array()) return corrupt(where + ": expected a list");
  const json& merges = model["merges"];
  std::vector<TokenPair> pairs;
  pairs.reserve(merges.size());
  for (const json& merge : merges) {
    const std::string here = fmt::format("{} {}", where, pairs.size());
    if (merge.is_string()) {
      TERN_ASSIGN(TokenPair pair, split_merge(merge.get_ref<const std::string&>(), here));
      pairs.push_back(std::move(pair));
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      pairs.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
    } else {
      return corrupt(here + ": expected two tokens");
    }
  }
  return pairs;
}

Result<TokenizerData> parse_tokenizer_json(std::string_view text, const std::string& name) {
  TERN_ASSIGN(const json file, parse_json(text, name));
  if (!file.is_object()) return corrupt(name + ": expected a JSON object");
  TERN_TRY(check_fields(file,
                        {"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                         "post_processor", "decoder", "model"},
                        name));
  if (!file.contains("model")) return corrupt(name + ": model is missing");
  TERN_TRY(check_model(file["model"], name + ": model"));
  return is_sentencepiece_json(file) ? read_sentencepiece_json(file, name) : read_byte_level(file, name);
}

}  // namespace tern
