#include "formats/import/tokenizer_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "base/mapped_file.h"
#include "formats/foreign/json_document.h"
#include "formats/foreign/llama2c.h"
#include "formats/foreign/sentencepiece.h"
#include "formats/foreign/vocabulary.h"
#include "formats/import/checkpoint_files.h"

namespace tern {
namespace {

using nlohmann::json;

std::string beside(const std::string& directory, const char* name) {
  return (std::filesystem::path(directory) / name).string();
}

// LlamaTokenizer's defaults are those of TokenizerData: a BOS is added, no EOS.
Status read_tokenizer_config(const std::string& path, TokenizerData* data) {
  if (!file_exists(path)) return {};
  TERN_ASSIGN(const json config, read_json_file(path));
  if (!config.is_object()) return corrupt(path + ": expected a JSON object");
  const std::pair<const char*, bool*> flags[] = {{"add_bos_token", &data->add_bos}, {"add_eos_token", &data->add_eos}};
  for (const auto& [field, out] : flags) {
    const json value = config.value(field, json());
    if (value.is_null()) continue;
    if (!value.is_boolean())
      return corrupt(fmt::format("{}: {} is {}, expected true or false", path, field, value.dump()));
    *out = value.get<bool>();
  }
  return {};
}

Result<TokenizerData> read_tokenizer(const std::string& path, uint32_t vocab_size) {
  TERN_ASSIGN(const MappedFile file, MappedFile::open(path));
  if (path.ends_with(".bin")) return parse_llama2c_tokenizer(file.bytes(), vocab_size, path);
  if (path.ends_with(".model")) return parse_sentencepiece(file.bytes(), path);
  return unsupported(path + ": expected a SentencePiece tokenizer.model or a llama2.c tokenizer.bin");
}

void note_missing(const std::string& directory, SourceModel* model) {
  const bool json_only = file_exists(beside(directory, "tokenizer.json"));
  model->metadata.emplace_back("tokenizer", json_only ? "none stored: tokenizer.json is not supported yet"
                                                      : "none stored: no tokenizer.model beside the checkpoint");
}

}  // namespace

Status import_tokenizer(const std::string& directory, const std::string& named_path, const std::vector<int32_t>& eos,
                        SourceModel* model) {
  const std::string usual = beside(directory, "tokenizer.model");
  const std::string path = named_path.empty() ? usual : named_path;
  if (named_path.empty() && !file_exists(usual)) {
    note_missing(directory, model);
    return {};
  }
  TERN_ASSIGN(TokenizerData data, read_tokenizer(path, model->config.vocab_size));
  if (data.pieces.size() != model->config.vocab_size) {
    return corrupt(fmt::format("{}: {} pieces, the model has a vocabulary of {}", path, data.pieces.size(),
                               model->config.vocab_size));
  }
  TERN_TRY(read_tokenizer_config(beside(directory, "tokenizer_config.json"), &data));
  for (int32_t id : eos) {
    const bool known = std::find(data.stop_ids.begin(), data.stop_ids.end(), id) != data.stop_ids.end();
    if (!known) data.stop_ids.push_back(id);
  }
  TERN_TRY(check_vocabulary(data, path));
  model->tokenizer = std::move(data);
  return {};
}

}  // namespace tern
