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
  CHECK_THAT(error_with("rope_scaling", {{"rope_type", "llama3"}, {"factor", 8}}), Contains("rope_scaling.rope_type"));
  CHECK_THAT(error_with("rope_scaling", {{"type", "linear"}, {"factor", 2}}), Contains("rope_scaling.type"));
  CHECK_THAT(error_with("rope_scaling", {{"factor", 2}}), Contains("rope_scaling.factor"));
  CHECK_THAT(error_with("pretraining_tp", 2), Contains("pretraining_tp"));
  CHECK_THAT(error_with("attention_bias", true), Contains("attention_bias"));
  CHECK_THAT(error_with("mlp_bias", true), Contains("mlp_bias"));
  CHECK_THAT(error_with("hidden_act", "gelu"), Contains("'gelu'"));
  CHECK_THAT(error_with("activation_quant", "int8"), Contains("activation_quant"));
  CHECK_THAT(error_with("architectures", {"MistralForCausalLM"}), Contains("'MistralForCausalLM'"));
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
  CHECK_THAT(quantization("use_rms_norm", true), Contains("use_rms_norm"));
  CHECK_THAT(quantization("group_size", 64), Contains("group_size"));
  CHECK_THAT(quantization("modules_to_not_convert", {"model.layers.0.mlp.up_proj"}), Contains("up_proj"));
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
