#include "formats/foreign/hf_config.h"

#include <fmt/format.h>

#include <map>
#include <tuple>

#include "formats/foreign/hf_family.h"
#include "formats/foreign/hf_known_fields.h"
#include "formats/foreign/hf_objects.h"
#include "formats/foreign/hf_setters.h"
#include "formats/foreign/json_document.h"

namespace tern {
namespace {

using nlohmann::json;

constexpr const char* kInt8Sentence = "int8 per token, absmax/127, before every linear layer";

Status read_int8_sentence(const json& value, const std::string& where, bool* out) {
  if (value != kInt8Sentence) {
    return unsupported(fmt::format("{} is {}; the only one understood is \"{}\"", where, value.dump(), kInt8Sentence));
  }
  *out = true;
  return {};
}

Status read_eos(const json& value, const std::string& where, std::vector<int32_t>* out) {
  if (value.is_null()) return {};
  const json list = value.is_array() ? value : json::array({value});
  for (const json& id : list) {
    if (!id.is_number_integer() || id.get<int64_t>() < -1 || id.get<int64_t>() > 0x7fffffff) {
      return wrong_value(where, value, "a token id or a list of them");
    }
    if (id.get<int64_t>() >= 0) out->push_back(id.get<int32_t>());
  }
  return {};
}

// What the fields said, before defaults.
struct Fields {
  HfConfig config;
  const HfFamily* family = nullptr;
  std::optional<double> norm_eps, final_norm_eps, rope_theta, rope_parameters_theta;
  std::optional<HfRopeScaling> rope_scaling;
  bool attention_bias = false, mlp_bias = false;
  bool has_window = false;                // sliding_window stands there, perhaps as null
  uint32_t sliding_window = 0;            // 0: null
  std::optional<bool> use_window;         // use_sliding_window
  std::optional<uint32_t> window_layers;  // max_window_layers: layers from this one on have the window
  json layer_types;
};

Setter rope_into(Fields* f) {
  return [f](const json& v, const std::string& where) {
    return read_rope(v, where, &f->rope_scaling, &f->rope_parameters_theta);
  };
}

Setter window_into(Fields* f) {
  return [f](const json& v, const std::string& where) {
    f->has_window = true;
    return v.is_null() ? Status() : count_into(&f->sliding_window)(v, where);
  };
}

Setter use_window_into(Fields* f) {
  return [f](const json& v, const std::string& where) {
    f->use_window = false;
    return flag_into(&*f->use_window)(v, where);
  };
}

Setter window_layers_into(Fields* f) {
  return [f](const json& v, const std::string& where) {
    f->window_layers = 0;
    return v == 0 ? Status() : count_into(&*f->window_layers)(v, where);
  };
}

std::map<std::string, Setter> setters_of(Fields* f) {
  HfConfig* c = &f->config;
  return {
      {"vocab_size", count_into(&c->vocab_size)},
      {"hidden_size", count_into(&c->hidden_size)},
      {"intermediate_size", count_into(&c->intermediate_size)},
      {"num_hidden_layers", count_into(&c->layers)},
      {"num_attention_heads", count_into(&c->heads)},
      {"num_key_value_heads", count_into(&c->kv_heads)},
      {"head_dim", count_into(&c->head_dim)},
      {"max_position_embeddings", count_into(&c->context)},
      {"rms_norm_eps", number_into(&f->norm_eps, true)},
      {"final_rms_norm_eps", number_into(&f->final_norm_eps, true)},
      {"rope_theta", number_into(&f->rope_theta, false)},
      {"rope_scaling", rope_into(f)},
      {"rope_parameters", rope_into(f)},
      {"hidden_act", text_into(&c->hidden_act)},
      {"tie_word_embeddings", flag_into(&c->tied)},
      {"attention_bias", flag_into(&f->attention_bias)},
      {"mlp_bias", flag_into(&f->mlp_bias)},
      {"sliding_window", window_into(f)},
      {"use_sliding_window", use_window_into(f)},
      {"max_window_layers", window_layers_into(f)},
      {"layer_types",
       [f](const json& v, const std::string&) -> Status {
         f->layer_types = v;
         return {};
       }},
      {"activation_quant",
       [c](const json& v, const std::string& where) { return read_int8_sentence(v, where, &c->int8_activations); }},
      {"quantization_config", [c](const json& v, const std::string& where) { return read_quantization(v, where, c); }},
      {"quip_params",
       [c](const json& v, const std::string& where) -> Status {
         TERN_ASSIGN(c->quip, read_quip(v, where));
         return {};
       }},
      {"eos_token_id", [c](const json& v, const std::string& where) { return read_eos(v, where, &c->eos); }},
  };
}

Status read_fields(const json& document, Fields* fields) {
  const auto setters = setters_of(fields);
  for (const auto& [key, value] : document.items()) {
    const std::string where = fmt::format("{}: {}", fields->config.name, key);
    const auto setter = setters.find(key);
    const auto neutral = neutral_values().find(key);
    const bool optional_null = value.is_null() && (key == "head_dim" || key == "num_key_value_heads");
    if (optional_null || harmless_fields().contains(key)) continue;
    if (setter != setters.end()) {
      TERN_TRY(setter->second(value, where));
    } else if (neutral != neutral_values().end()) {
      if (value != neutral->second) {
        return unsupported(fmt::format("{} is {}, only {} is supported", where, value.dump(), neutral->second.dump()));
      }
    } else {
      return unsupported(
          fmt::format("{}: unknown field '{}' = {} may change results", fields->config.name, key, value.dump()));
    }
  }
  return {};
}

// The window of attention, by the rules of the family.
Status apply_window(const HfFamily& family, const Fields& f, HfConfig* c) {
  using Window = HfFamily::Window;
  const bool windowed = f.sliding_window != 0;
  if (family.window == Window::none) {
    if (windowed) {
      return unsupported(fmt::format("{}: sliding_window is {}, which {} does not know", c->name, f.sliding_window,
                                     family.architecture));
    }
    if (f.use_window.value_or(false))
      return unsupported(c->name + ": use_sliding_window is true, but only some families have a window");
    return {};
  }
  if (family.window == Window::always) {
    if (!f.has_window) return corrupt(c->name + ": the field 'sliding_window' is missing (null: no window)");
    if (windowed && !f.use_window.value_or(true))
      return corrupt(c->name + ": use_sliding_window false contradicts sliding_window");
    c->window = f.sliding_window;
    return {};
  }
  if (!f.use_window.value_or(false)) return {};
  if (!windowed) return corrupt(c->name + ": use_sliding_window is true, but sliding_window is missing");
  if (!f.window_layers) return corrupt(c->name + ": use_sliding_window is true, but max_window_layers is missing");
  if (*f.window_layers >= c->layers) return {};
  if (*f.window_layers != 0) {
    return unsupported(
        fmt::format("{}: max_window_layers is {} of {}: layers with and without a window are not supported", c->name,
                    *f.window_layers, c->layers));
  }
  c->window = f.sliding_window;
  return {};
}

// layer_types must say of every layer what the other fields say.
Status check_layer_types(const json& types, const HfConfig& c) {
  if (types.is_null()) return {};
  const char* expected = c.window != 0 ? "sliding_attention" : "full_attention";
  if (!types.is_array() || types.size() != c.layers) {
    return corrupt(fmt::format("{}: layer_types is {}, expected a list of {} names", c.name, types.dump(), c.layers));
  }
  for (const json& type : types) {
    if (type == expected) continue;
    return unsupported(fmt::format("{}: layer_types holds {}, only {} in all layers is supported here", c.name,
                                   type.dump(), expected));
  }
  return {};
}

Status apply_biases(const HfFamily& family, const Fields& f, HfConfig* c) {
  for (const auto& [field, set, known] : {std::tuple{"attention_bias", f.attention_bias, family.attention_bias},
                                          {"mlp_bias", f.mlp_bias, family.mlp_bias}}) {
    if (!set || known) continue;
    return unsupported(fmt::format("{}: {} is true, which {} does not know", c->name, field, family.architecture));
  }
  c->qkv_bias = family.qkv_bias || f.attention_bias;
  c->o_bias = f.attention_bias;
  c->mlp_bias = f.mlp_bias;
  return {};
}

Status check_required(const Fields& f) {
  const HfConfig& c = f.config;
  const HfFamily& family = *f.family;
  const std::pair<const char*, bool> required[] = {
      {"vocab_size", c.vocab_size != 0},
      {"hidden_size", c.hidden_size != 0},
      {"intermediate_size", c.intermediate_size != 0},
      {"num_hidden_layers", c.layers != 0},
      {"num_attention_heads", c.heads != 0},
      {"num_key_value_heads", c.kv_heads != 0 || family.kv_heads_optional},
      {"max_position_embeddings", c.context != 0},
      {"rms_norm_eps", f.norm_eps.has_value()},
      {"rope_theta", f.rope_theta || f.rope_parameters_theta || family.rope_theta != 0},
      {"hidden_act", !c.hidden_act.empty() || *family.hidden_act != 0}};
  for (const auto& [field, there] : required) {
    if (!there) return corrupt(fmt::format("{}: the field '{}' is missing", c.name, field));
  }
  return {};
}

Status apply_defaults(Fields* f) {
  HfConfig& c = f->config;
  const HfFamily& family = *f->family;
  TERN_TRY(check_required(*f));
  c.norm_eps = *f->norm_eps;
  c.final_norm_eps = f->final_norm_eps.value_or(c.norm_eps);
  if (f->rope_theta && f->rope_parameters_theta && *f->rope_theta != *f->rope_parameters_theta) {
    return corrupt(fmt::format("{}: rope_theta {} contradicts rope_parameters.rope_theta {}", c.name, *f->rope_theta,
                               *f->rope_parameters_theta));
  }
  c.rope_theta = f->rope_theta.value_or(f->rope_parameters_theta.value_or(family.rope_theta));
  c.rope_scaling = f->rope_scaling.value_or(HfRopeScaling());
  if (c.hidden_act.empty()) c.hidden_act = family.hidden_act;
  if (c.kv_heads == 0) c.kv_heads = c.heads;
  if (c.head_dim == 0) c.head_dim = family.head_dim;
  if (c.head_dim == 0) {
    if (c.hidden_size % c.heads != 0) {
      return corrupt(fmt::format("{}: hidden_size {} is no multiple of num_attention_heads {} and head_dim is missing",
                                 c.name, c.hidden_size, c.heads));
    }
    c.head_dim = c.hidden_size / c.heads;
  }
  c.sub_norms = family.sub_norms;
  c.head_norms = family.head_norms;
  c.headless = family.headless;
  c.complex = family.complex;
  if (c.complex) c.tied = false, c.hidden_act = family.hidden_act;
  TERN_TRY(apply_biases(family, *f, &c));
  TERN_TRY(apply_window(family, *f, &c));
  return check_layer_types(f->layer_types, c);
}

Status check_consistency(const HfConfig& c) {
  if (c.heads % c.kv_heads != 0) {
    return corrupt(fmt::format("{}: num_attention_heads {} is no multiple of num_key_value_heads {}", c.name, c.heads,
                               c.kv_heads));
  }
  if (c.head_dim % 2 != 0 && !c.complex)
    return corrupt(fmt::format("{}: head_dim {} is odd, RoPE needs pairs", c.name, c.head_dim));
  if (c.hidden_act != "silu" && c.hidden_act != "relu2" && !c.complex) {
    return unsupported(fmt::format("{}: hidden_act '{}' is not supported, only silu and relu2", c.name, c.hidden_act));
  }
  if (c.quantization && c.quantization->input_norms && c.quantization->norm_eps.value_or(1e-6) != c.norm_eps) {
    return unsupported(
        fmt::format("{}: quantization_config.rms_norm_eps differs from rms_norm_eps, which is not supported", c.name));
  }
  return {};
}

}  // namespace

Result<HfConfig> parse_hf_config(std::string_view text, const std::string& name) {
  TERN_ASSIGN(const json document, parse_json(text, name));
  if (!document.is_object()) return corrupt(name + ": expected a JSON object");
  Fields fields;
  fields.config.name = name;
  TERN_ASSIGN(fields.family, find_family(document, name));
  fields.config.architecture = fields.family->architecture;
  TERN_TRY(read_fields(document, &fields));
  TERN_TRY(apply_defaults(&fields));
  TERN_TRY(check_consistency(fields.config));
  return fields.config;
}

Result<HfConfig> read_hf_config(const std::string& path) {
  TERN_ASSIGN(const std::string text, read_small_file(path, kMaxJsonFileBytes));
  return parse_hf_config(text, path);
}

}  // namespace tern
