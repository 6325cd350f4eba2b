// config.json of a Hugging Face decoder: a closed set of fields. A field that may change results and is not
// understood is refused by name; fields known to be harmless are listed in hf_known_fields.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "formats/foreign/hf_vector_quantization.h"

namespace tern {

struct HfQuantization {
  std::string method;                      // quant_method
  std::string linear_class = "bitlinear";  // default of transformers' BitNetQuantConfig
  std::string mode = "offline";            // quantization_mode
  bool input_norms = false;                // use_rms_norm: every linear layer normalizes its input
  std::optional<double> norm_eps;          // of those norms
};

struct HfRopeScaling {
  std::string type = "default";  // default, linear, llama3
  std::optional<double> factor, low_frequency, high_frequency;
  uint32_t trained_context = 0;  // original_max_position_embeddings
  bool operator==(const HfRopeScaling&) const = default;
};

struct HfConfig {
  std::string name;          // of the file, for messages
  std::string architecture;  // of its family (hf_family.h)
  uint32_t vocab_size = 0, hidden_size = 0, intermediate_size = 0, layers = 0;
  uint32_t heads = 0, kv_heads = 0, head_dim = 0, context = 0;
  double norm_eps = 0, final_norm_eps = 0;  // 0 is valid
  double rope_theta = 0;
  HfRopeScaling rope_scaling;
  uint32_t window = 0;  // sliding_window where it is in force; 0: none
  std::string hidden_act;
  bool tied = false;  // tie_word_embeddings; its default in both families is false
  bool qkv_bias = false, o_bias = false, mlp_bias = false;
  bool sub_norms = false, head_norms = false;  // BitNet's; Qwen3's of q and k
  bool headless = false;                       // an embedding model
  bool complex = false;                        // widths count complex numbers (iFairy)
  bool int8_activations = false;               // 'activation_quant' is present with the one sentence that is understood
  std::optional<HfQuantization> quantization;  // BitNet's; of the others at most one
  std::optional<HfVptq> vptq;
  std::optional<HfAqlm> aqlm;
  std::optional<HfQuip> quip;
  std::vector<int32_t> eos;  // eos_token_id, a number or a list
};

Result<HfConfig> parse_hf_config(std::string_view text, const std::string& name);
Result<HfConfig> read_hf_config(const std::string& path);

}  // namespace tern
