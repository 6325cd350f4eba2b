// What the importer makes of the tensors of each architecture: every one under its canonical name with its values,
// and what is missing or does not belong there refused by name.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <functional>

#include "formats/import/convert.h"
#include "formats/import/source_model.h"
#include "formats/tern/reader.h"
#include "tests/import/fixtures.h"
#include "tests/tools/checkpoint_writer.h"

using namespace tern;
using namespace tern::test;
using Catch::Matchers::Contains;
using nlohmann::json;
using Architecture = CheckpointSpec::Architecture;
using Weights = CheckpointSpec::Weights;

namespace {

// Two blocks; `change` sets more than the architecture.
CheckpointSpec spec_of(Architecture architecture, const std::function<void(CheckpointSpec*)>& change = {}) {
  CheckpointSpec spec;
  spec.architecture = architecture;
  spec.hidden = 32, spec.ffn = 48, spec.heads = 4, spec.kv_heads = 2, spec.vocab = 21;
  spec.dtype = FloatType::f32;
  if (change) change(&spec);
  return spec;
}

// Canonical names, and the tensors that they must come from.
using Names = std::vector<std::pair<std::string, std::string>>;

// All are found, with their values, and each is required: without it the import fails and says so.
void check_names(Checkpoint& checkpoint, const Names& names) {
  const auto model = checkpoint.import();
  INFO(model.status().message());
  REQUIRE(model.ok());
  for (const auto& [ours, theirs] : names) {
    INFO(ours << " from " << theirs);
    const SourceMatrix* m = model->find(ours);
    REQUIRE(m != nullptr);
    CHECK(m->source_name == theirs);
    CHECK(all_rows(*m) == as_floats(checkpoint.tensors.at(theirs)));
  }
  for (const auto& [ours, theirs] : names) {
    auto taken = checkpoint.tensors.extract(theirs);
    CHECK_THAT(checkpoint.error(), Contains("'" + theirs + "'"));
    checkpoint.tensors.insert(std::move(taken));
  }
}

std::string in_block(const char* rest) { return std::string("model.layers.1.") + rest; }

}  // namespace

TEST_CASE("families: Llama with biases", "[families]") {
  Checkpoint checkpoint(
      spec_of(Architecture::llama, [](CheckpointSpec* s) { s->attention_bias = s->mlp_bias = true; }));
  check_names(checkpoint, {{"blocks.1.attn.q.bias", in_block("self_attn.q_proj.bias")},
                           {"blocks.1.attn.k.bias", in_block("self_attn.k_proj.bias")},
                           {"blocks.1.attn.v.bias", in_block("self_attn.v_proj.bias")},
                           {"blocks.1.attn.o.bias", in_block("self_attn.o_proj.bias")},
                           {"blocks.1.ffn.gate.bias", in_block("mlp.gate_proj.bias")},
                           {"blocks.1.ffn.up.bias", in_block("mlp.up_proj.bias")},
                           {"blocks.1.ffn.down.bias", in_block("mlp.down_proj.bias")}});
  checkpoint.config["mlp_bias"] = false;
  CHECK_THAT(checkpoint.error(), Contains("mlp.gate_proj.bias"));
}

TEST_CASE("families: biases beside packed weights", "[families]") {
  const auto packed = [](Architecture architecture) {
    return Checkpoint(spec_of(architecture, [](CheckpointSpec* s) {
      s->attention_bias = true;
      s->weights = Weights::packed;
    }));
  };
  CHECK(packed(Architecture::llama).error() == "no error");  // bitlinear adds them after the scale
  CHECK_THAT(packed(Architecture::bitnet).error(), Contains("q_proj.bias") && Contains("autobitlinear"));
}

TEST_CASE("families: Qwen2 and Qwen3", "[families]") {
  Checkpoint qwen2(spec_of(Architecture::qwen2));
  check_names(qwen2, {{"blocks.1.attn.q.bias", in_block("self_attn.q_proj.bias")},
                      {"blocks.1.attn.k.bias", in_block("self_attn.k_proj.bias")},
                      {"blocks.1.attn.v.bias", in_block("self_attn.v_proj.bias")},
                      {"blocks.1.attn.q", in_block("self_attn.q_proj.weight")}});
  CHECK(qwen2.import()->convention == "Hugging Face Qwen2");
  qwen2.tensors[in_block("self_attn.o_proj.bias")] = {"F32", {32}, std::string(128, '\0')};
  CHECK_THAT(qwen2.error(), Contains("o_proj.bias"));

  Checkpoint qwen3(spec_of(Architecture::qwen3, [](CheckpointSpec* s) { s->head_dim = 12; }));
  check_names(qwen3, {{"blocks.1.attn.q_norm", in_block("self_attn.q_norm.weight")},
                      {"blocks.1.attn.k_norm", in_block("self_attn.k_norm.weight")},
                      {"blocks.1.attn.o", in_block("self_attn.o_proj.weight")}});
  CHECK(qwen3.import()->find("blocks.1.attn.o")->cols == 48);
  qwen3.config["architectures"] = {"LlamaForCausalLM"}, qwen3.config["model_type"] = "llama";
  qwen3.config.erase("use_sliding_window"), qwen3.config.erase("max_window_layers");
  CHECK_THAT(qwen3.error(), Contains("_norm.weight"));
}

TEST_CASE("families: rope scaling and windows reach the configuration", "[families]") {
  Checkpoint mistral(spec_of(Architecture::mistral, [](CheckpointSpec* s) {
    s->window = 7;
    s->rope_scaling = CheckpointSpec::RopeScaling::llama3;
  }));
  const auto model = mistral.import();
  INFO(model.status().message());
  REQUIRE(model.ok());
  CHECK(model->config.window == 7);
  CHECK(model->config.rope_scaling == RopeScaling::llama3);
  CHECK(model->config.rope_factor == 8);
  CHECK(model->config.rope_low_frequency == 1);
  CHECK(model->config.rope_high_frequency == 4);
  CHECK(model->config.rope_trained_context == 64);
  mistral.config["rope_scaling"] = {{"rope_type", "yarn"}, {"factor", 4}};
  CHECK_THAT(mistral.error(), Contains("rope_scaling.rope_type") && Contains("yarn"));
}

TEST_CASE("families: BitNet embedding models", "[families]") {
  Checkpoint checkpoint(spec_of(Architecture::bitnet_embedding));
  check_names(checkpoint, {{"embed.tokens", "embed_tokens.weight"},
                           {"blocks.1.attn.q.in.norm", "layers.1.self_attn.q_proj.norm.weight"},
                           {"blocks.1.attn.k.in.norm", "layers.1.self_attn.k_proj.norm.weight"},
                           {"blocks.1.attn.v.in.norm", "layers.1.self_attn.v_proj.norm.weight"},
                           {"blocks.1.attn.sub_norm", "layers.1.self_attn.o_proj.norm.weight"},
                           {"blocks.1.ffn.gate.in.norm", "layers.1.mlp.gate_proj.norm.weight"},
                           {"blocks.1.ffn.up.in.norm", "layers.1.mlp.up_proj.norm.weight"},
                           {"blocks.1.ffn.sub_norm", "layers.1.mlp.down_proj.norm.weight"},
                           {"blocks.1.attn.q_norm", "layers.1.self_attn.q_norm.weight"}});
  const auto model = checkpoint.import();
  CHECK(model->tied_head);
  const auto says = [](const auto& entry) { return entry.first == "head" && entry.second.starts_with("none"); };
  CHECK(std::any_of(model->metadata.begin(), model->metadata.end(), says));
  CHECK(model->linear_input == TrainedInput::int8_per_token);
  CHECK(model->find("blocks.0.ffn.down")->form.kind == SourceForm::Kind::trit);  // absmean
  const std::string path = checkpoint.folder.path("model.tern");
  const auto report = convert(*model, {}, path);
  INFO(report.status().message());
  REQUIRE(report.ok());
  const auto file = TernFile::open(path);
  REQUIRE(file.ok());
  for (const InputRecord& input : (*file)->description().inputs) {
    if (input.name != "blocks.0.attn.k.in") continue;
    REQUIRE(input.ops.size() == 2);
    CHECK(input.ops[0].kind == InputOpKind::normalize);
    CHECK(input.ops[1].kind == InputOpKind::quantize);
  }
}

TEST_CASE("families: transformers' norm inside a quantized layer", "[families]") {
  Checkpoint checkpoint(spec_of(Architecture::llama, [](CheckpointSpec* s) { s->weights = Weights::packed; }));
  checkpoint.config["quantization_config"]["use_rms_norm"] = true;
  checkpoint.config["quantization_config"]["rms_norm_eps"] = checkpoint.config["rms_norm_eps"];
  CHECK_THAT(checkpoint.error(), Contains("use_rms_norm") && Contains("q_proj.rms_norm.weight"));
  for (const char* layer : {"0", "1"}) {
    for (const auto& [module, width] : {std::pair{"self_attn.q_proj", 32},
                                        {"self_attn.k_proj", 32},
                                        {"self_attn.v_proj", 32},
                                        {"self_attn.o_proj", 32},
                                        {"mlp.gate_proj", 32},
                                        {"mlp.up_proj", 32},
                                        {"mlp.down_proj", 48}}) {
      const std::vector<float> values(static_cast<size_t>(width), 1.5f);
      const std::string bytes(reinterpret_cast<const char*>(values.data()), values.size() * 4);
      checkpoint.tensors[std::string("model.layers.") + layer + "." + module + ".rms_norm.weight"] = {
          "F32", {static_cast<uint64_t>(width)}, bytes};
    }
  }
  CHECK(checkpoint.error() == "no error");
  CHECK(checkpoint.import()->find("blocks.0.ffn.up.in.norm") != nullptr);
}

TEST_CASE("families: the older BitNet of 1bitLLM", "[families]") {
  Checkpoint checkpoint(spec_of(Architecture::bitnet, [](CheckpointSpec* s) { s->hidden = 40, s->ffn = 54; }));
  checkpoint.config["architectures"] = {"BitnetForCausalLM"};
  checkpoint.config["model_type"] = "llama";
  checkpoint.config["hidden_act"] = "silu";
  checkpoint.config["input_bits"] = 8, checkpoint.config["weight_bits"] = 1;
  for (const char* layer : {"model.layers.0.", "model.layers.1."}) {
    checkpoint.rename(std::string(layer) + "self_attn.attn_sub_norm.weight",
                      std::string(layer) + "self_attn.inner_attn_ln.weight");
    checkpoint.rename(std::string(layer) + "mlp.ffn_sub_norm.weight", std::string(layer) + "mlp.ffn_layernorm.weight");
  }
  const auto model = checkpoint.import();
  INFO(model.status().message());
  REQUIRE(model.ok());
  CHECK(model->config.activation == Activation::silu);
  CHECK(model->find("blocks.0.attn.sub_norm")->source_name == "model.layers.0.self_attn.inner_attn_ln.weight");
  CHECK(model->find("blocks.0.attn.q")->form.kind == SourceForm::Kind::trit);
  checkpoint.config["input_bits"] = 4;
  CHECK_THAT(checkpoint.error(), Contains("input_bits"));
}

TEST_CASE("families: TriLM, a scale for each shard of a matrix", "[families]") {
  Checkpoint checkpoint(spec_of(Architecture::llama, [](CheckpointSpec* s) {
    s->weights = Weights::ternary;
    s->dtype = FloatType::f16;
  }));
  const std::string name = "model.layers.0.mlp.up_proj.weight";
  std::string& data = checkpoint.tensors.at(name).data;  // 48 rows: the second half doubled
  for (size_t i = data.size() / 2; i < data.size(); i += 2) {
    uint16_t half;
    std::memcpy(&half, data.data() + i, 2);
    if ((half & 0x7fff) != 0) half = static_cast<uint16_t>(half + 0x400);
    std::memcpy(data.data() + i, &half, 2);
  }
  const auto model = checkpoint.import();
  INFO(model.status().message());
  REQUIRE(model.ok());
  CHECK(model->linear_input == TrainedInput::f32);
  const auto report = convert(*model, {}, checkpoint.folder.path("model.tern"));
  REQUIRE(report.ok());
  for (const TensorReport& t : report->tensors) {
    if (!t.name.starts_with("blocks.") || t.name.ends_with("norm")) continue;
    INFO(t.name << " " << t.encoding);
    CHECK_THAT(t.encoding, Contains("trit"));
    CHECK(t.exact);
    CHECK((t.encoding.find("row") != std::string::npos) == (t.name == "blocks.0.ffn.up"));
  }
}

TEST_CASE("families: a tokenizer that is not understood is refused, with a way around it", "[families]") {
  const Checkpoint checkpoint(spec_of(Architecture::qwen2));
  write_file(checkpoint.folder.path("tokenizer.json"), "{}");
  CHECK_THAT(checkpoint.import().status().message(), Contains("tokenizer.json") && Contains("--tokenizer none"));
  ImportOptions options;
  options.tokenizer_path = "none";
  const auto model = import_checkpoint(checkpoint.folder.path(), options);
  INFO(model.status().message());
  REQUIRE(model.ok());
  CHECK_FALSE(model->tokenizer.has_value());
}
