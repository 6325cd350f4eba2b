#include "formats/import/tokenizer_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "base/mapped_file.h"
#include "formats/foreign/json_document.h"
#include "formats/foreign/llama2c.h"
#include "formats/foreign/sentencepiece.h"
#include "formats/foreign/tiktoken.h"
#include "formats/foreign/tokenizer_json.h"
#include "formats/foreign/vocabulary.h"
#include "formats/import/checkpoint_files.h"
#include "formats/import/tokenizer_config.h"

namespace tern {
namespace {

namespace fs = std::filesystem;

enum class FileKind { none, llama2c, sentencepiece, tiktoken, json, vocab_and_merges };

struct TokenizerFile {
  FileKind kind = FileKind::none;
  std::string path;  // of vocab.json for vocab_and_merges
};

std::string beside(const std::string& directory, const char* name) { return (fs::path(directory) / name).string(); }

Result<bool> holds_tiktoken(const std::string& path) {
  TERN_ASSIGN(const MappedFile file, MappedFile::open(path));
  return is_tiktoken(file.bytes());
}

// Of several files the one that says most: a SentencePiece model is the source of what others repeat; of byte-level
// BPE, tokenizer.json holds patterns and special tokens too.
Result<TokenizerFile> find_in(const std::string& directory) {
  const std::string model = beside(directory, "tokenizer.model"), json = beside(directory, "tokenizer.json");
  const std::string vocab = beside(directory, "vocab.json");
  bool ranks = false;
  if (file_exists(model)) {
    TERN_ASSIGN(ranks, holds_tiktoken(model));
    if (!ranks) return TokenizerFile{FileKind::sentencepiece, model};
  }
  if (file_exists(json)) return TokenizerFile{FileKind::json, json};
  if (ranks) return TokenizerFile{FileKind::tiktoken, model};
  if (file_exists(vocab) && file_exists(beside(directory, "merges.txt"))) {
    return TokenizerFile{FileKind::vocab_and_merges, vocab};
  }
  return TokenizerFile{};
}

Result<TokenizerFile> recognise(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) {
    TERN_ASSIGN(TokenizerFile found, find_in(path));
    return found.kind == FileKind::none ? Result<TokenizerFile>(not_found(path + ": no tokenizer file in it")) : found;
  }
  if (path.ends_with(".bin")) return TokenizerFile{FileKind::llama2c, path};
  if (path.ends_with("vocab.json")) return TokenizerFile{FileKind::vocab_and_merges, path};
  if (path.ends_with(".json")) return TokenizerFile{FileKind::json, path};
  if (path.ends_with(".model") || path.ends_with(".tiktoken")) {
    TERN_ASSIGN(const bool ranks, holds_tiktoken(path));
    return TokenizerFile{ranks ? FileKind::tiktoken : FileKind::sentencepiece, path};
  }
  return unsupported(path +
                     ": expected tokenizer.model (SentencePiece or tiktoken), tokenizer.json, vocab.json (with "
                     "merges.txt) or a llama2.c tokenizer.bin");
}

Result<TokenizerData> read_tokenizer(const TokenizerFile& file, const TokenizerConfig& config, uint32_t vocab_size) {
  if (file.kind == FileKind::vocab_and_merges) return read_vocab_and_merges(file.path, config);
  TERN_ASSIGN(const MappedFile mapped, MappedFile::open(file.path));
  if (file.kind == FileKind::llama2c) return parse_llama2c_tokenizer(mapped.bytes(), vocab_size, file.path);
  if (file.kind == FileKind::sentencepiece) return parse_sentencepiece(mapped.bytes(), file.path);
  if (file.kind == FileKind::json) {
    TERN_ASSIGN(const std::string text, read_small_file(file.path, kMaxJsonFileBytes));
    return parse_tokenizer_json(text, file.path);
  }
  TERN_ASSIGN(TokenizerData data, parse_tiktoken(mapped.bytes(), file.path));
  TERN_TRY(add_llama3_pattern(&data, file.path));
  if (!config.has_added_tokens()) TERN_TRY(add_llama3_special(&data, file.path));
  return data;
}

// A vocabulary may be smaller than the model's where publishers pad matrices: those ids are no tokens.
Status check_size(const TokenizerFile& file, const TokenizerData& data, uint32_t vocab_size) {
  const bool may_be_padded = file.kind != FileKind::llama2c && file.kind != FileKind::sentencepiece;
  if (data.pieces.size() == vocab_size || (may_be_padded && data.pieces.size() < vocab_size)) return {};
  return corrupt(
      fmt::format("{}: {} pieces, the model has a vocabulary of {}", file.path, data.pieces.size(), vocab_size));
}

Result<TokenizerData> read_whole(const TokenizerFile& file, const TokenizerConfig& config, uint32_t vocab_size) {
  TERN_ASSIGN(TokenizerData data, read_tokenizer(file, config, vocab_size));
  TERN_TRY(config.apply(&data));
  TERN_TRY(check_size(file, data, vocab_size));
  return data;
}

}  // namespace

Status import_tokenizer(const std::string& directory, const std::string& named_path, const std::vector<int32_t>& eos,
                        SourceModel* model) {
  if (named_path == "none") {
    model->metadata.emplace_back("tokenizer", "none stored: as asked for");
    return {};
  }
  TERN_ASSIGN(const TokenizerFile file, named_path.empty() ? find_in(directory) : recognise(named_path));
  if (file.kind == FileKind::none) {
    model->metadata.emplace_back("tokenizer", "none stored: no tokenizer file beside the checkpoint");
    return {};
  }
  TERN_ASSIGN(const TokenizerConfig config, TokenizerConfig::read(beside(directory, "tokenizer_config.json")));
  auto read = read_whole(file, config, model->config.vocab_size);
  if (!read.ok()) {
    const Status& status = read.status();
    return Status(status.code(), status.message() + " (--tokenizer none converts the weights alone)");
  }
  TokenizerData data = std::move(read).value();
  for (int32_t id : eos) {
    const bool known = std::find(data.stop_ids.begin(), data.stop_ids.end(), id) != data.stop_ids.end();
    if (!known) data.stop_ids.push_back(id);
  }
  TERN_TRY(check_vocabulary(data, file.path));
  model->tokenizer = std::move(data);
  return {};
}

}  // namespace tern
