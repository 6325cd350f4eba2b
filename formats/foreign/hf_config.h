// config.json of a Hugging Face decoder: a closed set of fields. A field that may change results and is not
// understood is refused by name; fields known to be harmless are listed in hf_config.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tern {

struct HfQuantization {
  std::string method;                      // quant_method
  std::string linear_class = "bitlinear";  // default of transformers' BitNetQuantConfig
  std::string mode = "offline";            // quantization_mode
};

struct HfConfig {
  std::string name;          // of the file, for messages
  std::string architecture;  // "LlamaForCausalLM"; from model_type when 'architectures' is absent
  uint32_t vocab_size = 0, hidden_size = 0, intermediate_size = 0, layers = 0;
  uint32_t heads = 0, kv_heads = 0, head_dim = 0, context = 0;
  double norm_eps = 0, final_norm_eps = 0;  // 0 is valid
  double rope_theta = 0;
  std::string hidden_act;
  bool tied = false;  // tie_word_embeddings; its default in both families is false
  bool attention_bias = false, mlp_bias = false;
  bool int8_activations = false;  // 'activation_quant' is present with the one sentence that is understood
  std::optional<HfQuantization> quantization;
  std::vector<int32_t> eos;  // eos_token_id, a number or a list
};

Result<HfConfig> parse_hf_config(std::string_view text, const std::string& name);
Result<HfConfig> read_hf_config(const std::string& path);

}  // namespace tern
