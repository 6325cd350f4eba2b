#include "formats/foreign/hf_config.h"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "formats/foreign/hf_known_fields.h"
#include "formats/foreign/json_document.h"

namespace tern {
namespace {

using nlohmann::json;

constexpr const char* kInt8Sentence = "int8 per token, absmax/127, before every linear layer";

// One pass over the fields of an object; each is handed to the setter of its name.
using Setter = std::function<Status(const json& value, const std::string& where)>;

Status wrong(const std::string& where, const json& value, const char* expected) {
  return corrupt(fmt::format("{} is {}, expected {}", where, value.dump(), expected));
}

Setter count_into(uint32_t* out) {
  return [out](const json& value, const std::string& where) -> Status {
    if (!value.is_number_unsigned() || value.get<uint64_t>() == 0 || value.get<uint64_t>() > 0x7fffffff) {
      return wrong(where, value, "a positive 31-bit count");
    }
    *out = value.get<uint32_t>();
    return {};
  };
}

Setter number_into(std::optional<double>* out, bool zero_allowed) {
  return [=](const json& value, const std::string& where) -> Status {
    const double number = value.is_number() ? value.get<double>() : -1;
    if (!std::isfinite(number) || number < 0 || number > 1e18 || (number == 0 && !zero_allowed)) {
      return wrong(where, value, zero_allowed ? "a number that is not negative" : "a positive number");
    }
    *out = number;
    return {};
  };
}

Setter flag_into(bool* out) {
  return [out](const json& value, const std::string& where) -> Status {
    if (!value.is_boolean()) return wrong(where, value, "true or false");
    *out = value.get<bool>();
    return {};
  };
}

Setter text_into(std::string* out) {
  return [out](const json& value, const std::string& where) -> Status {
    if (!value.is_string()) return wrong(where, value, "a string");
    *out = value.get<std::string>();
    return {};
  };
}

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
      return wrong(where, value, "a token id or a list of them");
    }
    if (id.get<int64_t>() >= 0) out->push_back(id.get<int32_t>());
  }
  return {};
}

// rope_scaling (old) and rope_parameters (new): only the default rotation is understood.
Status read_rope(const json& value, const std::string& where, std::optional<double>* theta) {
  if (value.is_null()) return {};
  if (!value.is_object()) return wrong(where, value, "an object or null");
  for (const char* key : {"rope_type", "type"}) {  // first: the other fields depend on it
    const json type = value.value(key, json("default"));
    if (type == "default") continue;
    return unsupported(fmt::format("{}.{} is {}: scaled rotary embeddings are not supported, only \"default\"", where,
                                   key, type.dump()));
  }
  for (const auto& [key, entry] : value.items()) {
    const std::string field = fmt::format("{}.{}", where, key);
    if (key == "rope_theta") {
      TERN_TRY(number_into(theta, false)(entry, field));
    } else if (key != "rope_type" && key != "type" && (key != "partial_rotary_factor" || entry != 1.0)) {
      return unsupported(fmt::format("{} = {} is not understood", field, entry.dump()));
    }
  }
  return {};
}

// Tensors that stay dense in any case may be listed; a projection may not.
Status read_exclusions(const json& value, const std::string& where) {
  if (value.is_null()) return {};
  if (!value.is_array()) return wrong(where, value, "a list or null");
  for (const json& module : value) {
    if (module != "lm_head" && module != "model.embed_tokens" && module != "embed_tokens" && module != "model.norm") {
      return unsupported(
          fmt::format("{} names {}: layers left out of the quantization are not supported", where, module.dump()));
    }
  }
  return {};
}

Status read_quantization(const json& value, const std::string& where, std::optional<HfQuantization>* out) {
  if (value.is_null()) return {};
  if (!value.is_object()) return wrong(where, value, "an object or null");
  HfQuantization q;
  bool has_norm = false;
  std::optional<double> unused_eps;  // of that norm
  const std::map<std::string, Setter> setters = {
      {"quant_method", text_into(&q.method)},           {"linear_class", text_into(&q.linear_class)},
      {"quantization_mode", text_into(&q.mode)},        {"use_rms_norm", flag_into(&has_norm)},
      {"rms_norm_eps", number_into(&unused_eps, true)}, {"modules_to_not_convert", read_exclusions},
  };
  // The method first: other methods have other fields.
  if (value.value("quant_method", json()) != "bitnet") {
    return unsupported(fmt::format("{}.quant_method is {}: the only one supported is \"bitnet\"", where,
                                   value.value("quant_method", json()).dump()));
  }
  for (const auto& [key, entry] : value.items()) {
    const auto setter = setters.find(key);
    const std::string field = fmt::format("{}.{}", where, key);
    if (setter == setters.end()) return unsupported(fmt::format("unknown field {} = {}", field, entry.dump()));
    TERN_TRY(setter->second(entry, field));
  }
  if (has_norm) return unsupported(where + ".use_rms_norm is true: a norm inside each linear layer is not supported");
  if (q.linear_class != "bitlinear" && q.linear_class != "autobitlinear") {
    return unsupported(
        fmt::format("{}.linear_class is '{}', expected 'bitlinear' or 'autobitlinear'", where, q.linear_class));
  }
  if (q.mode != "offline" && q.mode != "online") {
    return unsupported(fmt::format("{}.quantization_mode is '{}', expected 'offline' or 'online'", where, q.mode));
  }
  *out = q;
  return {};
}

// What the fields said, before defaults.
struct Fields {
  HfConfig config;
  std::optional<double> norm_eps, final_norm_eps, rope_theta, rope_parameters_theta;
};

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
      {"rope_scaling",
       [f](const json& v, const std::string& where) { return read_rope(v, where, &f->rope_parameters_theta); }},
      {"rope_parameters",
       [f](const json& v, const std::string& where) { return read_rope(v, where, &f->rope_parameters_theta); }},
      {"hidden_act", text_into(&c->hidden_act)},
      {"tie_word_embeddings", flag_into(&c->tied)},
      {"attention_bias", flag_into(&c->attention_bias)},
      {"mlp_bias", flag_into(&c->mlp_bias)},
      {"activation_quant",
       [c](const json& v, const std::string& where) { return read_int8_sentence(v, where, &c->int8_activations); }},
      {"quantization_config",
       [c](const json& v, const std::string& where) { return read_quantization(v, where, &c->quantization); }},
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

Status read_architecture(const json& document, HfConfig* config) {
  const json list = document.value("architectures", json());
  const json type = document.value("model_type", json());
  if (list.is_array() && list.size() == 1 && list[0].is_string()) {
    config->architecture = list[0].get<std::string>();
  } else if (!list.is_null()) {
    return unsupported(fmt::format("{}: architectures is {}, expected a list of one name", config->name, list.dump()));
  } else if (type == "llama") {
    config->architecture = "LlamaForCausalLM";
  } else if (type == "bitnet") {
    config->architecture = "BitNetForCausalLM";
  } else {
    return unsupported(
        fmt::format("{}: model_type is {}, expected \"llama\" or \"bitnet\"", config->name, type.dump()));
  }
  const std::set<std::string> known = {"LlamaForCausalLM", "BitNetForCausalLM", "BitnetForCausalLM"};
  if (!known.contains(config->architecture)) {
    return unsupported(
        fmt::format("{}: architecture '{}' is not supported, only LlamaForCausalLM and BitNetForCausalLM", config->name,
                    config->architecture));
  }
  if (!type.is_null() && type != "llama" && type != "bitnet") {
    return corrupt(fmt::format("{}: model_type {} contradicts architecture '{}'", config->name, type.dump(),
                               config->architecture));
  }
  return {};
}

Status apply_defaults(Fields* f) {
  HfConfig& c = f->config;
  const bool llama = c.architecture == "LlamaForCausalLM";
  const std::pair<const char*, uint32_t> required[] = {
      {"vocab_size", c.vocab_size},    {"hidden_size", c.hidden_size},   {"intermediate_size", c.intermediate_size},
      {"num_hidden_layers", c.layers}, {"num_attention_heads", c.heads}, {"max_position_embeddings", c.context}};
  for (const auto& [field, value] : required) {
    if (value == 0) return corrupt(fmt::format("{}: the field '{}' is missing", c.name, field));
  }
  if (!f->norm_eps) return corrupt(c.name + ": the field 'rms_norm_eps' is missing");
  c.norm_eps = *f->norm_eps;
  c.final_norm_eps = f->final_norm_eps.value_or(c.norm_eps);
  if (f->rope_theta && f->rope_parameters_theta && *f->rope_theta != *f->rope_parameters_theta) {
    return corrupt(fmt::format("{}: rope_theta {} contradicts rope_parameters.rope_theta {}", c.name, *f->rope_theta,
                               *f->rope_parameters_theta));
  }
  // transformers: LlamaConfig 10000, BitNetConfig 500000
  c.rope_theta = f->rope_theta.value_or(f->rope_parameters_theta.value_or(llama ? 10000.0 : 500000.0));
  if (c.hidden_act.empty()) c.hidden_act = llama ? "silu" : "relu2";
  if (c.kv_heads == 0) c.kv_heads = c.heads;
  if (c.head_dim == 0) {
    if (c.hidden_size % c.heads != 0) {
      return corrupt(fmt::format("{}: hidden_size {} is no multiple of num_attention_heads {} and head_dim is missing",
                                 c.name, c.hidden_size, c.heads));
    }
    c.head_dim = c.hidden_size / c.heads;
  }
  return {};
}

Status check_consistency(const HfConfig& c) {
  if (c.heads % c.kv_heads != 0) {
    return corrupt(fmt::format("{}: num_attention_heads {} is no multiple of num_key_value_heads {}", c.name, c.heads,
                               c.kv_heads));
  }
  if (c.head_dim % 2 != 0) return corrupt(fmt::format("{}: head_dim {} is odd, RoPE needs pairs", c.name, c.head_dim));
  if (c.hidden_act != "silu" && c.hidden_act != "relu2") {
    return unsupported(fmt::format("{}: hidden_act '{}' is not supported, only silu and relu2", c.name, c.hidden_act));
  }
  if (c.attention_bias || c.mlp_bias) {
    return unsupported(fmt::format("{}: {} is true: biases are not supported", c.name,
                                   c.attention_bias ? "attention_bias" : "mlp_bias"));
  }
  return {};
}

}  // namespace

Result<HfConfig> parse_hf_config(std::string_view text, const std::string& name) {
  TERN_ASSIGN(const json document, parse_json(text, name));
  if (!document.is_object()) return corrupt(name + ": expected a JSON object");
  Fields fields;
  fields.config.name = name;
  TERN_TRY(read_architecture(document, &fields.config));
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
