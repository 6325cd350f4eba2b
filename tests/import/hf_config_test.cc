#include "formats/foreign/hf_config.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace tern;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

json minimal() {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"vocab_size", 100},
          {"hidden_size", 64},
          {"intermediate_size", 160},
          {"num_hidden_layers", 2},
          {"num_attention_heads", 4},
          {"max_position_embeddings", 128},
          {"rms_norm_eps", 1e-6}};
}

Result<HfConfig> parse(const json& document) { return parse_hf_config(document.dump(), "config.json"); }

std::string error_with(const char* field, const json& value) {
  json document = minimal();
  document[field] = value;
  const auto config = parse(document);
  return config.ok() ? "no error" : config.status().message();
}

}  // namespace

TEST_CASE("config.json: defaults of transformers", "[hf_config]") {
  const auto llama = parse(minimal());
  REQUIRE(llama.ok());
  CHECK(llama->kv_heads == 4);
  CHECK(llama->head_dim == 16);
  CHECK(llama->rope_theta == 10000);
  CHECK(llama->hidden_act == "silu");
  CHECK_FALSE(llama->tied);
  CHECK(llama->final_norm_eps == 1e-6);

  json bitnet = minimal();
  bitnet["architectures"] = {"BitNetForCausalLM"};
  REQUIRE(parse(bitnet).ok());
  CHECK(parse(bitnet)->rope_theta == 500000);
  CHECK(parse(bitnet)->hidden_act == "relu2");
}

TEST_CASE("config.json: fields that are understood", "[hf_config]") {
  json document = minimal();
  document["rope_parameters"] = {{"rope_theta", 500000.0}, {"rope_type", "default"}};
  document["rms_norm_eps"] = 0.0;
  document["final_rms_norm_eps"] = 1e-5;
  document["activation_quant"] = "int8 per token, absmax/127, before every linear layer";
  document["tie_word_embeddings"] = true;
  document["eos_token_id"] = {2, 7};
  document["torch_dtype"] = "bfloat16";
  document["rope_scaling"] = nullptr;
  document["pretraining_tp"] = 1;
  document["quantization_config"] = {{"quant_method", "bitnet"}, {"modules_to_not_convert", nullptr}};
  const auto config = parse(document);
  INFO(config.status().message());
  REQUIRE(config.ok());
  CHECK(config->rope_theta == 500000);
  CHECK(config->norm_eps == 0);
  CHECK(config->final_norm_eps == 1e-5);
  CHECK(config->int8_activations);
  CHECK(config->tied);
  CHECK(config->eos == std::vector<int32_t>{2, 7});
  REQUIRE(config->quantization);
  CHECK(config->quantization->linear_class == "bitlinear");
  CHECK(config->quantization->mode == "offline");
}

TEST_CASE("config.json: what is not understood is refused by name", "[hf_config]") {
  CHECK_THAT(error_with("logit_scale", 2), Contains("'logit_scale'") && Contains("2"));
  for (const char* type : {"yarn", "dynamic", "longrope", "su", "mrope"}) {
    CHECK_THAT(error_with("rope_scaling", {{"rope_type", type}}), Contains("rope_scaling.rope_type") && Contains(type));
    CHECK_THAT(error_with("rope_parameters", {{"type", type}}), Contains("rope_parameters.type") && Contains(type));
  }
  CHECK_THAT(error_with("rope_scaling", {{"factor", 2}}), Contains("rope_scaling.factor"));
  CHECK_THAT(error_with("rope_scaling", {{"type", "linear"}, {"factor", 2}, {"low_freq_factor", 1}}),
             Contains("rope_scaling.low_freq_factor"));
  CHECK_THAT(error_with("rope_parameters", {{"partial_rotary_factor", 0.5}}), Contains("partial_rotary_factor"));
  CHECK_THAT(error_with("pretraining_tp", 2), Contains("pretraining_tp"));
  CHECK_THAT(error_with("hidden_act", "gelu"), Contains("'gelu'"));
  CHECK(error_with("activation", "swiglu") == "no error");
  CHECK_THAT(error_with("activation", "geglu"), Contains("activation") && Contains("geglu"));
  CHECK_THAT(error_with("activation_quant", "int8"), Contains("activation_quant"));
  CHECK_THAT(error_with("architectures", {"Gemma2ForCausalLM"}), Contains("'Gemma2ForCausalLM'"));
  CHECK_THAT(error_with("use_sliding_window", true), Contains("use_sliding_window"));
  CHECK_THAT(error_with("layer_types", {"sliding_attention", "full_attention"}), Contains("layer_types"));
  CHECK_THAT(error_with("layer_types", {"full_attention"}), Contains("layer_types"));
  CHECK(error_with("layer_types", {"full_attention", "full_attention"}) == "no error");
  CHECK_THAT(error_with("model_type", "qwen3"), Contains("qwen3"));
  CHECK_THAT(error_with("sliding_window", 4), Contains("sliding_window"));
  CHECK_THAT(error_with("partial_rotary_factor", 0.5), Contains("partial_rotary_factor"));
  const auto quantization = [](const char* field, const json& value) {
    json q = {{"quant_method", "bitnet"}};
    q[field] = value;
    return error_with("quantization_config", q);
  };
  REQUIRE(quantization("linear_class", "autobitlinear") == "no error");
  CHECK_THAT(quantization("quant_method", "gptq"), Contains("quant_method") && Contains("gptq"));
  CHECK_THAT(quantization("linear_class", "other"), Contains("linear_class") && Contains("other"));
  CHECK_THAT(quantization("quantization_mode", "lazy"), Contains("quantization_mode"));
  CHECK_THAT(quantization("use_rms_norm", 1), Contains("use_rms_norm"));
  json norms = minimal();  // the norms' eps, 1e-5, differs from the model's
  norms["quantization_config"] = {{"quant_method", "bitnet"}, {"use_rms_norm", true}, {"rms_norm_eps", 1e-5}};
  CHECK_THAT(parse(norms).status().message(), Contains("quantization_config.rms_norm_eps"));
  CHECK_THAT(quantization("group_size", 64), Contains("group_size"));
  CHECK_THAT(quantization("modules_to_not_convert", {"model.layers.0.mlp.up_proj"}), Contains("up_proj"));
}

TEST_CASE("config.json: rope scaling", "[hf_config]") {
  json document = minimal();
  document["rope_scaling"] = {{"type", "linear"}, {"factor", 4.0}};
  REQUIRE(parse(document).ok());
  CHECK(parse(document)->rope_scaling.type == "linear");
  CHECK(parse(document)->rope_scaling.factor == 4);

  const json llama3 = {{"rope_type", "llama3"},   {"factor", 8.0},          {"low_freq_factor", 1.0},
                       {"high_freq_factor", 4.0}, {"rope_theta", 500000.0}, {"original_max_position_embeddings", 8192}};
  document.erase("rope_scaling");
  document["rope_parameters"] = llama3;
  const auto config = parse(document);
  INFO(config.status().message());
  REQUIRE(config.ok());
  CHECK(config->rope_theta == 500000);
  CHECK(config->rope_scaling.high_frequency == 4);
  CHECK(config->rope_scaling.trained_context == 8192);

  const auto changed = [&](const char* field, const json& value) {
    json scaling = llama3;
    scaling[field] = value;
    if (value.is_null()) scaling.erase(field);
    return error_with("rope_parameters", scaling);
  };
  REQUIRE(changed("factor", 1) == "no error");
  for (const char* field : {"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"}) {
    CHECK_THAT(changed(field, nullptr), Contains(field));
    CHECK_THAT(changed(field, 0), Contains(field));
  }
  CHECK_THAT(changed("factor", 0.5), Contains("rope_parameters.factor"));
  CHECK_THAT(changed("low_freq_factor", 4), Contains("low_freq_factor 4") && Contains("high_freq_factor"));
  CHECK_THAT(changed("type", "linear"), Contains("contradicts"));
  CHECK_THAT(changed("beta_fast", 32), Contains("rope_parameters.beta_fast"));
  document["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 8.0}};
  CHECK_THAT(parse(document).status().message(), Contains("contradicts"));
}

TEST_CASE("config.json: what the families differ in", "[hf_config]") {
  const auto of = [](const char* architecture, const char* type, json extra) {
    json document = minimal();
    document["architectures"] = {architecture};
    document["model_type"] = type;
    document["num_key_value_heads"] = 2;
    document.update(extra);
    return parse(document);
  };
  const auto error = [](const Result<HfConfig>& config) {
    return config.ok() ? std::string("no error") : config.status().message();
  };
  const auto mistral = of("MistralForCausalLM", "mistral", {{"sliding_window", 40}});
  REQUIRE(error(mistral) == "no error");
  CHECK(mistral->window == 40);
  CHECK(of("MistralForCausalLM", "mistral", {{"sliding_window", nullptr}})->window == 0);
  CHECK_THAT(error(of("MistralForCausalLM", "mistral", json::object())), Contains("'sliding_window' is missing"));
  CHECK_THAT(error(of("MistralForCausalLM", "mistral", {{"sliding_window", 4}, {"attention_bias", true}})),
             Contains("attention_bias"));

  const auto qwen2 = of("Qwen2ForCausalLM", "qwen2",
                        {{"use_sliding_window", false}, {"sliding_window", 40}, {"max_window_layers", 2}});
  REQUIRE(error(qwen2) == "no error");
  CHECK(qwen2->qkv_bias);
  CHECK_FALSE(qwen2->o_bias);
  CHECK_FALSE(qwen2->head_norms);
  CHECK(qwen2->window == 0);
  const auto windowed = [&](const json& layers) {
    return of("Qwen2ForCausalLM", "qwen2",
              {{"use_sliding_window", true}, {"sliding_window", 40}, {"max_window_layers", layers}});
  };
  CHECK(windowed(0)->window == 40);
  CHECK(windowed(2)->window == 0);
  CHECK_THAT(error(windowed(1)), Contains("max_window_layers is 1 of 2"));
  CHECK_THAT(error(of("Qwen2ForCausalLM", "qwen2", {{"use_sliding_window", true}})), Contains("sliding_window"));

  const auto qwen3 = of("Qwen3ForCausalLM", "qwen3", {{"attention_bias", true}});
  REQUIRE(error(qwen3) == "no error");
  CHECK(qwen3->head_norms);
  CHECK(qwen3->o_bias);
  CHECK(qwen3->head_dim == 128);
  CHECK_THAT(error(of("Qwen3ForCausalLM", "qwen2", json::object())), Contains("contradicts"));
  CHECK(of("Qwen3Model", "qwen3", json::object())->headless);
  CHECK_THAT(error(of("Qwen3ForCausalLM", "qwen3", {{"num_key_value_heads", nullptr}})),
             Contains("num_key_value_heads"));

  json biased = {{"attention_bias", true}, {"mlp_bias", true}};
  const auto llama = of("LlamaForCausalLM", "llama", biased);
  REQUIRE(error(llama) == "no error");
  CHECK((llama->qkv_bias && llama->o_bias && llama->mlp_bias));

  // 1bitLLM's models: the class has two sets of defaults, so these fields are needed.
  const auto old_bitnet = of("BitnetForCausalLM", "llama", {{"hidden_act", "silu"}, {"rope_theta", 10000}});
  REQUIRE(error(old_bitnet) == "no error");
  CHECK(old_bitnet->sub_norms);
  CHECK_THAT(error(of("BitnetForCausalLM", "llama", {{"hidden_act", "silu"}})), Contains("rope_theta"));
  CHECK_THAT(error(of("BitnetForCausalLM", "llama", {{"rope_theta", 10000}})), Contains("hidden_act"));

  json by_type = minimal();
  by_type.erase("architectures");
  by_type["model_type"] = "qwen3";
  by_type["num_key_value_heads"] = 2;
  CHECK(parse(by_type)->architecture == "Qwen3ForCausalLM");
  by_type["model_type"] = "gemma";
  CHECK_THAT(parse(by_type).status().message(), Contains("\"gemma\"") && Contains("qwen3"));
}

TEST_CASE("config.json: wrong and contradictory values", "[hf_config]") {
  for (const char* field : {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
                            "num_attention_heads", "max_position_embeddings"}) {
    for (const json& value : {json(0), json(-1), json(1.5), json("64"), json(nullptr), json(uint64_t{1} << 31)}) {
      INFO(field << " = " << value.dump());
      CHECK_THAT(error_with(field, value), Contains(field));
    }
    json document = minimal();
    document.erase(field);
    CHECK_THAT(parse(document).status().message(), Contains(field) && Contains("missing"));
  }
  CHECK_THAT(error_with("rms_norm_eps", -1), Contains("rms_norm_eps"));
  CHECK_THAT(error_with("rope_theta", 0), Contains("rope_theta"));
  CHECK_THAT(error_with("num_key_value_heads", 3), Contains("num_key_value_heads"));
  CHECK_THAT(error_with("num_attention_heads", 5), Contains("num_attention_heads"));
  CHECK_THAT(error_with("head_dim", 15), Contains("head_dim"));
  CHECK_THAT(error_with("tie_word_embeddings", 1), Contains("tie_word_embeddings"));
  json two_thetas = minimal();
  two_thetas["rope_theta"] = 10000;
  two_thetas["rope_parameters"] = {{"rope_theta", 500000}};
  CHECK_THAT(parse(two_thetas).status().message(), Contains("contradicts"));
  CHECK_FALSE(parse_hf_config("[]", "c").ok());
  CHECK_FALSE(parse_hf_config("", "c").ok());
  CHECK_FALSE(parse_hf_config("{\"vocab_size\":1,\"vocab_size\":2}", "c").ok());
}
