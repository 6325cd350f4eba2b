// tokenizer_config.json of a Hugging Face checkpoint: the fields that tokenizer files do not repeat.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/status.h"
#include "formats/tern/description.h"

namespace tern {

class TokenizerConfig {
 public:
  // An absent file says nothing.
  static Result<TokenizerConfig> read(const std::string& path);

  bool has_added_tokens() const;        // added_tokens_decoder
  std::string tokenizer_class() const;  // "" if it does not say
  // Applies added_tokens_decoder, the names of BOS, EOS and padding (byte_bpe), add_bos_token and add_eos_token.
  Status apply(TokenizerData* data) const;

 private:
  Status apply_added_tokens(TokenizerData* data) const;
  Status apply_name(const char* field, const TokenizerData& data, int32_t* id) const;

  std::string path_;
  nlohmann::json config_ = nlohmann::json::object();
};

// vocab.json with merges.txt beside it. The pattern comes with the class of the tokenizer, or with a vocabulary of a
// known size: Qwen2's (with NFC and, if the configuration names none, its three special tokens) or GPT-2's.
Result<TokenizerData> read_vocab_and_merges(const std::string& vocab_path, const TokenizerConfig& config);

}  // namespace tern
