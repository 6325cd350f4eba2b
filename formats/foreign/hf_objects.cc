#include "formats/foreign/hf_objects.h"

#include <fmt/format.h>

#include <map>

namespace tern {
namespace {

using nlohmann::json;

// Both spellings of the type, if both stand there, must agree.
Result<std::string> rope_type(const json& value, const std::string& where) {
  const json modern = value.value("rope_type", json()), old = value.value("type", json());
  if (!modern.is_null() && !old.is_null() && modern != old) {
    return corrupt(fmt::format("{}.rope_type {} contradicts {}.type {}", where, modern.dump(), where, old.dump()));
  }
  const json& type = modern.is_null() ? old : modern;
  if (type.is_null() || type == "default") return std::string("default");
  if (type == "linear" || type == "llama3") return type.get<std::string>();
  return unsupported(fmt::format("{}.{} is {}: only default, linear and llama3 are supported", where,
                                 modern.is_null() ? "type" : "rope_type", type.dump()));
}

Status check_llama3(const HfRopeScaling& s, const std::string& where) {
  if (!s.low_frequency || !s.high_frequency || s.trained_context == 0) {
    return corrupt(where +
                   ": the type llama3 needs low_freq_factor, high_freq_factor and original_max_position_embeddings");
  }
  if (*s.low_frequency < *s.high_frequency) return {};
  return corrupt(fmt::format("{}: low_freq_factor {} is not below high_freq_factor {}", where, *s.low_frequency,
                             *s.high_frequency));
}

// Tensors that stay dense in any case may be listed; a projection may not.
Status read_exclusions(const json& value, const std::string& where) {
  if (value.is_null()) return {};
  if (!value.is_array()) return wrong_value(where, value, "a list or null");
  for (const json& module : value) {
    if (module != "lm_head" && module != "model.embed_tokens" && module != "embed_tokens" && module != "model.norm") {
      return unsupported(
          fmt::format("{} names {}: layers left out of the quantization are not supported", where, module.dump()));
    }
  }
  return {};
}

Status read_bitnet(const json& value, const std::string& where, std::optional<HfQuantization>* out) {
  HfQuantization q;
  const std::map<std::string, Setter> setters = {
      {"quant_method", text_into(&q.method)},           {"linear_class", text_into(&q.linear_class)},
      {"quantization_mode", text_into(&q.mode)},        {"use_rms_norm", flag_into(&q.input_norms)},
      {"rms_norm_eps", number_into(&q.norm_eps, true)}, {"modules_to_not_convert", read_exclusions},
  };
  for (const auto& [key, entry] : value.items()) {
    const auto setter = setters.find(key);
    const std::string field = fmt::format("{}.{}", where, key);
    if (setter == setters.end()) return unsupported(fmt::format("unknown field {} = {}", field, entry.dump()));
    TERN_TRY(setter->second(entry, field));
  }
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

}  // namespace

Status read_rope(const json& value, const std::string& where, std::optional<HfRopeScaling>* scaling,
                 std::optional<double>* theta) {
  if (value.is_null()) return {};
  if (!value.is_object()) return wrong_value(where, value, "an object or null");
  HfRopeScaling s;
  TERN_ASSIGN(s.type, rope_type(value, where));
  std::optional<double> partial;
  std::map<std::string, Setter> setters = {{"rope_theta", number_into(theta, false)},
                                           {"partial_rotary_factor", number_into(&partial, false)}};
  if (s.type != "default") setters["factor"] = number_into(&s.factor, false);
  if (s.type == "llama3") {
    setters["low_freq_factor"] = number_into(&s.low_frequency, false);
    setters["high_freq_factor"] = number_into(&s.high_frequency, false);
    setters["original_max_position_embeddings"] = count_into(&s.trained_context);
  }
  for (const auto& [key, entry] : value.items()) {
    if (key == "rope_type" || key == "type") continue;
    const std::string field = fmt::format("{}.{}", where, key);
    const auto setter = setters.find(key);
    if (setter == setters.end()) {
      return unsupported(fmt::format("{} = {} is not understood with the type '{}'", field, entry.dump(), s.type));
    }
    TERN_TRY(setter->second(entry, field));
  }
  if (partial.value_or(1) != 1)
    return unsupported(fmt::format("{}.partial_rotary_factor is {}, only 1 is supported", where, *partial));
  if (s.type != "default" && (!s.factor || *s.factor < 1)) {
    return corrupt(
        fmt::format("{}.factor is {}, expected a number from 1 on", where, value.value("factor", json()).dump()));
  }
  if (s.type == "llama3") TERN_TRY(check_llama3(s, where));
  if (scaling->has_value() && **scaling != s) {
    return corrupt(fmt::format("{} contradicts the other description of rotary positions in the file", where));
  }
  *scaling = s;
  return {};
}

Status read_quantization(const json& value, const std::string& where, HfConfig* out) {
  if (value.is_null()) return {};
  if (!value.is_object()) return wrong_value(where, value, "an object or null");
  // The method first: each has fields of its own.
  const json method = value.value("quant_method", json());
  if (method == "bitnet") return read_bitnet(value, where, &out->quantization);
  if (method == "vptq") {
    TERN_ASSIGN(out->vptq, read_vptq(value, where));
    return {};
  }
  if (method == "aqlm") {
    TERN_ASSIGN(out->aqlm, read_aqlm(value, where));
    return {};
  }
  return unsupported(fmt::format("{}.quant_method is {}: bitnet, vptq and aqlm are supported", where, method.dump()));
}

}  // namespace tern
