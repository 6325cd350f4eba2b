// The config.json of a synthetic checkpoint.
#include <fmt/format.h>

#include <tuple>

#include "tests/tools/checkpoint_writer.h"

namespace tern::test {
namespace {

struct Names {
  const char *architecture, *model_type;
};

Names names_of(CheckpointSpec::Architecture architecture) {
  using enum CheckpointSpec::Architecture;
  switch (architecture) {
    case llama:
      return {"LlamaForCausalLM", "llama"};
    case bitnet:
      return {"BitNetForCausalLM", "bitnet"};
    case mistral:
      return {"MistralForCausalLM", "mistral"};
    case qwen2:
      return {"Qwen2ForCausalLM", "qwen2"};
    case qwen3:
      return {"Qwen3ForCausalLM", "qwen3"};
    case bitnet_embedding:
      return {"Qwen3Model", "qwen3"};
    case ifairy:
      return {"ComplexNetLM", "complexnet"};
  }
  return {};
}

// The fields that only some families have, or that say nothing here if left out.
std::string extra_fields(const CheckpointSpec& spec) {
  using enum CheckpointSpec::Architecture;
  std::string json;
  if (spec.attention_bias) json += ",\n \"attention_bias\": true";
  if (spec.mlp_bias) json += ",\n \"mlp_bias\": true";
  const std::string window = spec.window != 0 ? std::to_string(spec.window) : "null";
  if (spec.architecture == mistral) json += ",\n \"sliding_window\": " + window;
  if (spec.architecture == qwen2 || spec.architecture == qwen3) {
    json += fmt::format(",\n \"use_sliding_window\": {},\n \"sliding_window\": {},\n \"max_window_layers\": 0",
                        spec.window != 0, window);
  }
  if (spec.rope_scaling == CheckpointSpec::RopeScaling::linear) {
    json += ",\n \"rope_scaling\": {\"type\": \"linear\", \"factor\": 2.5}";
  }
  if (spec.rope_scaling == CheckpointSpec::RopeScaling::llama3) {
    json +=
        ",\n \"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 1.0, "
        "\"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 64}";
  }
  return json;
}

// The layers by the last part of their names.
std::string vptq_fields(const CheckpointSpec& spec) {
  const uint32_t head = spec.head_dim ? spec.head_dim : spec.hidden / spec.heads;
  const std::tuple<const char*, uint32_t, uint32_t> layers[] = {
      {"q_proj", spec.heads * head, spec.hidden},    {"k_proj", spec.kv_heads * head, spec.hidden},
      {"v_proj", spec.kv_heads * head, spec.hidden}, {"o_proj", spec.hidden, spec.heads * head},
      {"gate_proj", spec.ffn, spec.hidden},          {"up_proj", spec.ffn, spec.hidden},
      {"down_proj", spec.hidden, spec.ffn}};
  std::string json;
  for (const auto& [name, rows, cols] : layers) {
    json += fmt::format(
        "{}\n  \"{}\": {{\"in_features\": {}, \"out_features\": {}, \"vector_lens\": [-1, {}], "
        "\"num_centroids\": [-1, {}], \"num_res_centroids\": [-1, {}], \"group_num\": 1, \"group_size\": {}, "
        "\"outlier_size\": 0, \"enable_norm\": true, \"enable_perm\": true, \"is_indice_packed\": true, "
        "\"bias\": false}}",
        json.empty() ? "" : ",", name, cols, rows, spec.vector_length, spec.centroids,
        spec.residual_centroids ? static_cast<int64_t>(spec.residual_centroids) : -1, cols);
  }
  return ",\n \"quantization_config\": {\"quant_method\": \"vptq\", \"shared_layer_config\": {" + json + "}}";
}

}  // namespace

std::string checkpoint_config(const CheckpointSpec& spec) {
  const bool bitnet = spec.architecture == CheckpointSpec::Architecture::bitnet;
  const Names names = names_of(spec.architecture);
  std::string json = fmt::format(
      "{{\n \"architectures\": [\"{}\"],\n \"model_type\": \"{}\",\n \"hidden_size\": {},\n \"intermediate_size\": "
      "{},\n"
      " \"num_hidden_layers\": {},\n \"num_attention_heads\": {},\n \"num_key_value_heads\": {},\n \"head_dim\": {},\n"
      " \"vocab_size\": {},\n \"max_position_embeddings\": {},\n \"rms_norm_eps\": 1e-05,\n \"rope_theta\": 10000.0,\n"
      " \"hidden_act\": \"{}\",\n \"tie_word_embeddings\": {},\n \"bos_token_id\": 1,\n \"eos_token_id\": 2",
      names.architecture, names.model_type, spec.hidden, spec.ffn, spec.layers, spec.heads, spec.kv_heads,
      spec.head_dim ? spec.head_dim : spec.hidden / spec.heads, spec.vocab, spec.context, bitnet ? "relu2" : "silu",
      spec.tied);
  json += extra_fields(spec);
  if (spec.weights == CheckpointSpec::Weights::packed) {
    json += fmt::format(
        ",\n \"quantization_config\": {{\"quant_method\": \"bitnet\", \"linear_class\": \"{}\", "
        "\"quantization_mode\": \"offline\"}}",
        bitnet ? "autobitlinear" : "bitlinear");
  }
  if (spec.weights == CheckpointSpec::Weights::vptq) json += vptq_fields(spec);
  return json + "\n}\n";
}

}  // namespace tern::test
