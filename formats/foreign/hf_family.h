// The decoder families of Hugging Face that are understood: what their name alone says, and transformers' defaults
// for fields that a config.json may leave out.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "base/status.h"

namespace tern {

struct HfFamily {
  enum class Window { none, always, flagged };  // sliding_window: not known; in force; in force by use_sliding_window

  const char* architecture;
  const char* model_type;
  double rope_theta;       // 0: no default that all versions share, the field is required
  const char* hidden_act;  // "": likewise
  bool kv_heads_optional;  // as many as heads
  uint32_t head_dim;       // 0: hidden_size / heads
  Window window;
  bool sub_norms = false, head_norms = false, qkv_bias = false;
  bool attention_bias = false, mlp_bias = false;  // knows the field
  bool headless = false;                          // an embedding model: no tensor of a head
  bool complex = false;  // iFairy: widths count complex numbers; its code reads neither hidden_act nor a tied head
};

// By 'architectures', or by model_type where that is absent. `name`: of the file, for messages.
Result<const HfFamily*> find_family(const nlohmann::json& document, const std::string& name);

}  // namespace tern
