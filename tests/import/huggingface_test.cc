// Synthetic checkpoints, imported, compared with a plain decoder of the same bytes, and damaged in every way
// that the importer promises to notice.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <functional>

#include "formats/import/source_model.h"
#include "tests/import/fixtures.h"
#include "tests/tools/checkpoint_writer.h"

using namespace tern;
using namespace tern::test;
using Catch::Matchers::Contains;
using nlohmann::json;
using Architecture = CheckpointSpec::Architecture;
using Weights = CheckpointSpec::Weights;

namespace {

CheckpointSpec small() {
  CheckpointSpec s;
  s.hidden = 32;
  s.ffn = 48;
  s.heads = 4;
  s.kv_heads = 2;
  s.vocab = 21;
  return s;
}

// Byte [r, c] holds rows r, r + R, r + 2R, r + 3R in its bits from the lowest up.
std::vector<float> unpack(const PlainTensor& packed, float scale) {
  const uint64_t quarter = packed.shape[0], cols = packed.shape[1];
  std::vector<float> values(4 * quarter * cols);
  for (uint64_t r = 0; r < quarter; ++r) {
    for (uint64_t c = 0; c < cols; ++c) {
      unsigned byte = static_cast<unsigned char>(packed.data[r * cols + c]);
      for (uint64_t i = 0; i < 4; ++i, byte /= 4) {
        values[(r + i * quarter) * cols + c] = scale * (static_cast<float>(byte % 4) - 1);
      }
    }
  }
  return values;
}

std::string error_with(const CheckpointSpec& spec, const std::function<void(Checkpoint*)>& change) {
  Checkpoint checkpoint(spec);
  REQUIRE(checkpoint.error() == "no error");
  change(&checkpoint);
  return checkpoint.error();
}

const char* const kQ = "model.layers.0.self_attn.q_proj.weight";
const char* const kDown = "model.layers.1.mlp.down_proj.weight";

}  // namespace

TEST_CASE("Hugging Face Llama: every tensor, every dtype", "[huggingface]") {
  for (FloatType dtype : {FloatType::f32, FloatType::f16, FloatType::bf16}) {
    CheckpointSpec spec = small();
    spec.dtype = dtype;
    spec.tied = dtype == FloatType::f16;
    const Checkpoint checkpoint(spec);
    const auto model = checkpoint.import();
    INFO(model.status().message());
    REQUIRE(model.ok());
    CHECK(model->convention == "Hugging Face Llama");
    CHECK(model->tied_head == spec.tied);
    CHECK(model->config.rope_pairing == RopePairing::halves);
    CHECK(model->config.norm_eps == 1e-5f);
    CHECK(model->linear_input == TrainedInput::f32);
    CHECK(model->matrices.size() == checkpoint.tensors.size());
    for (const auto& m : model->matrices) {
      INFO(m->name << " from " << m->source_name);
      CHECK(m->form.kind == SourceForm::Kind::dense);
      CHECK(m->form.value_type == dtype);
      CHECK(all_rows(*m) == as_floats(checkpoint.tensors.at(m->source_name)));
    }
    CHECK(model->find("blocks.1.ffn.down")->source_name == kDown);
    CHECK(model->find("blocks.1.ffn.down")->cols == 48);
    CHECK(model->find("blocks.0.attn.k")->rows == 16);
  }
}

TEST_CASE("BitNet: packed weights, both scale directions", "[huggingface]") {
  for (Architecture architecture : {Architecture::llama, Architecture::bitnet}) {
    CheckpointSpec spec = small();
    spec.weights = Weights::packed;
    spec.architecture = architecture;
    const bool divide = architecture == Architecture::llama;
    const Checkpoint checkpoint(spec);
    const auto model = checkpoint.import();
    INFO(model.status().message());
    REQUIRE(model.ok());
    CHECK_THAT(model->convention, Contains(divide ? "inverse scale" : "scale multiplies"));
    CHECK(model->linear_input == TrainedInput::int8_per_token);
    CHECK(model->config.activation == (divide ? Activation::silu : Activation::relu2));
    CHECK((model->find("blocks.0.attn.sub_norm") != nullptr) == !divide);
    for (const auto& m : model->matrices) {
      const PlainTensor& tensor = checkpoint.tensors.at(m->source_name);
      if (tensor.dtype != "U8") continue;
      const float stored = as_floats(checkpoint.tensors.at(m->source_name + "_scale"))[0];
      const auto expected = unpack(tensor, divide ? 1 / stored : stored);
      INFO(m->name);
      CHECK(m->form.kind == SourceForm::Kind::trit);
      CHECK(all_rows(*m) == expected);
      std::vector<int8_t> codes(m->cols * 2);
      REQUIRE(m->read_codes(m->rows - 2, 2, codes).ok());
      const float* last = expected.data() + (m->rows - 2) * m->cols;
      for (size_t i = 0; i < codes.size(); ++i) CHECK(codes[i] == (last[i] > 0) - (last[i] < 0));
    }
  }
}

TEST_CASE("BitNet: dense masters", "[huggingface]") {
  CheckpointSpec spec = small();
  spec.architecture = Architecture::bitnet;
  spec.weights = Weights::ternary;
  spec.dtype = FloatType::f32;
  Checkpoint checkpoint(spec);

  SECTION("already ternary: kept") {
    const auto model = checkpoint.import();
    REQUIRE(model.ok());
    const SourceMatrix* q = model->find("blocks.0.attn.q");
    CHECK(q->form.kind == SourceForm::Kind::trit);
    CHECK(q->form.scope == ScaleScope::tensor);
    CHECK(all_rows(*q) == as_floats(checkpoint.tensors.at(kQ)));
  }
  SECTION("one scale a row: kept") {
    std::string& data = checkpoint.tensors.at(kQ).data;
    for (int c = 0; c < 32; ++c) {  // double the second row
      float value;
      std::memcpy(&value, data.data() + 4 * (32 + c), 4);
      value *= 2;
      std::memcpy(data.data() + 4 * (32 + c), &value, 4);
    }
    const auto model = checkpoint.import();
    REQUIRE(model.ok());
    CHECK(model->find("blocks.0.attn.q")->form.scope == ScaleScope::row);
    CHECK(all_rows(*model->find("blocks.0.attn.q")) == as_floats(checkpoint.tensors.at(kQ)));
  }
  SECTION("anything else: absmean") {
    std::string& data = checkpoint.tensors.at(kQ).data;
    const float other = 0.011f;
    std::memcpy(data.data(), &other, 4);
    const auto model = checkpoint.import();
    REQUIRE(model.ok());
    const auto masters = as_floats(checkpoint.tensors.at(kQ));
    double sum = 0;
    for (float w : masters) sum += std::fabs(w);
    const auto gamma = static_cast<float>(sum / static_cast<double>(masters.size()));
    const auto values = all_rows(*model->find("blocks.0.attn.q"));
    for (size_t i = 0; i < values.size(); ++i) {
      CHECK(values[i] == gamma * std::min(1.f, std::max(-1.f, std::nearbyint(masters[i] / gamma))));
    }
  }
  SECTION("online: absmean even if they are ternary, as the publisher's forward pass does") {
    checkpoint.config["quantization_config"] = {
        {"quant_method", "bitnet"}, {"linear_class", "autobitlinear"}, {"quantization_mode", "online"}};
    const auto model = checkpoint.import();
    INFO(model.status().message());
    REQUIRE(model.ok());
    const auto masters = as_floats(checkpoint.tensors.at(kQ));
    double sum = 0;
    for (float w : masters) sum += std::fabs(w);
    std::vector<float> scale(1);
    REQUIRE(model->find("blocks.0.attn.q")->read_scales(0, 1, scale).ok());
    CHECK(scale[0] == static_cast<float>(sum / static_cast<double>(masters.size())));
  }
  SECTION("1bitLLM's names of the sub-norms") {
    for (int i = 0; i < 2; ++i) {
      const std::string layer = "model.layers." + std::to_string(i) + ".";
      for (const auto& [theirs, other] : {std::pair{"self_attn.attn_sub_norm", "self_attn.inner_attn_ln"},
                                          std::pair{"mlp.ffn_sub_norm", "mlp.ffn_layernorm"}}) {
        auto node = checkpoint.tensors.extract(layer + theirs + ".weight");
        node.key() = layer + other + ".weight";
        checkpoint.tensors.insert(std::move(node));
      }
    }
    CHECK(checkpoint.error() == "no error");
  }
}

TEST_CASE("Hugging Face: missing, extra and misshapen tensors", "[huggingface]") {
  const CheckpointSpec spec = small();
  const Checkpoint whole(spec);
  for (const auto& [name, tensor] : whole.tensors) {
    Checkpoint checkpoint(spec);
    checkpoint.tensors.erase(name);
    CHECK_THAT(checkpoint.error(), Contains("'" + name + "'"));
  }
  const auto with_tensor = [&](const std::string& name, const PlainTensor& tensor) {
    return error_with(spec, [&](Checkpoint* c) { c->tensors[name] = tensor; });
  };
  CHECK_THAT(with_tensor("model.extra", {"F32", {1}, "1234"}), Contains("'model.extra'"));
  CHECK_THAT(with_tensor("model.layers.2.mlp.up_proj.weight", {"F32", {1}, "1234"}), Contains("layers.2"));
  CHECK_THAT(with_tensor("model.layers.0.self_attn.q_proj.bias", {"BF16", {1}, "12"}), Contains("bias"));
  CHECK_THAT(with_tensor("model.layers.0.self_attn.attn_sub_norm.weight", {"BF16", {1}, "12"}),
             Contains("attn_sub_norm"));
  CHECK_THAT(with_tensor(std::string(kQ) + "_scale", {"BF16", {1}, "12"}), Contains("weight_scale"));
  CHECK(with_tensor("model.layers.0.self_attn.rotary_emb.inv_freq", {"F32", {1}, "1234"}) == "no error");
  CHECK_THAT(with_tensor(kQ, {"BF16", {32, 31}, std::string(32 * 31 * 2, '\0')}),
             Contains("[32, 31]") && Contains("[32, 32]"));
  CHECK_THAT(with_tensor(kQ, {"BF16", {1024}, std::string(2048, '\0')}), Contains("[1024]"));
  CHECK_THAT(with_tensor(kQ, {"BF16", {0}, ""}), Contains("[0]"));
  CHECK_THAT(with_tensor(kQ, {"F64", {32, 32}, std::string(8192, '\0')}), Contains("F64"));
  CHECK_THAT(with_tensor(kQ, {"U8", {8, 32}, std::string(256, '\0')}), Contains(kQ));
}

TEST_CASE("Hugging Face: config and tensors contradict each other", "[huggingface]") {
  const auto with_config = [](const char* field, const json& value) {
    return error_with(small(), [&](Checkpoint* c) { c->config[field] = value; });
  };
  CHECK_THAT(with_config("tie_word_embeddings", true), Contains("tie_word_embeddings") && Contains("lm_head.weight"));
  CHECK_THAT(with_config("num_hidden_layers", 3), Contains("layers.2"));
  CHECK_THAT(with_config("num_hidden_layers", 0x7fffffff), Contains("layers.2"));
  CHECK_THAT(with_config("num_hidden_layers", 1), Contains("layers.1"));
  CHECK_THAT(with_config("vocab_size", 22), Contains("embed_tokens"));
  CHECK_THAT(with_config("num_key_value_heads", 4), Contains("k_proj"));
  CHECK_THAT(with_config("head_dim", 16), Contains("q_proj"));
  CHECK_THAT(with_config("intermediate_size", 49), Contains("gate_proj"));
  CHECK_THAT(with_config("architectures", {"BitNetForCausalLM"}), Contains("attn_sub_norm"));
  CHECK_THAT(with_config("quantization_config", {{"quant_method", "bitnet"}}), Contains(kQ));
  // A copy of the embedding as head is what some exporters write for a tied model.
  CHECK(error_with(small(), [](Checkpoint* c) {
          c->config["tie_word_embeddings"] = true;
          c->tensors["lm_head.weight"] = c->tensors["model.embed_tokens.weight"];
        }) == "no error");
  CheckpointSpec tied = small();
  tied.tied = true;
  CHECK_THAT(error_with(tied, [](Checkpoint* c) { c->config["tie_word_embeddings"] = false; }),
             Contains("tie_word_embeddings is false"));
}

TEST_CASE("BitNet: damaged packed weights", "[huggingface]") {
  CheckpointSpec spec = small();
  spec.weights = Weights::packed;
  const auto scale_bits = [&](uint16_t bits) {
    return error_with(
        spec, [&](Checkpoint* c) { std::memcpy(c->tensors.at(std::string(kDown) + "_scale").data.data(), &bits, 2); });
  };
  for (uint16_t bits : {0x0000, 0x8000, 0xbf80, 0x7f80, 0x7fc0}) {  // 0, -0, -1, infinity, NaN
    CHECK_THAT(scale_bits(bits), Contains("down_proj.weight_scale") && Contains("positive finite"));
  }
  CHECK(scale_bits(0x3f80) == "no error");
  for (char fill : {'\x00', '\x55', '\xaa'}) {
    CHECK_THAT(error_with(spec, [&](Checkpoint* c) { c->tensors.at(kDown).data.assign(8 * 48, fill); }),
               Contains(kDown) && Contains("older revision"));
  }
  for (int shift = 0; shift < 8; shift += 2) {
    CHECK_THAT(error_with(spec, [&](Checkpoint* c) { c->tensors.at(kDown).data[77] |= static_cast<char>(3 << shift); }),
               Contains(kDown) && Contains("code 3") && Contains("byte 77"));
  }
  CHECK_THAT(error_with(spec, [](Checkpoint* c) { c->config.erase("quantization_config"); }),
             Contains("quantization_config"));
  CHECK_THAT(error_with(spec, [](Checkpoint* c) { c->config["quantization_config"]["quantization_mode"] = "online"; }),
             Contains("contradicts"));
  CHECK_THAT(error_with(spec, [](Checkpoint* c) { c->tensors.erase(std::string(kDown) + "_scale"); }),
             Contains("weight_scale"));

  CheckpointSpec masters = spec;
  masters.architecture = Architecture::bitnet;
  masters.weights = Weights::dense;
  CHECK_THAT(error_with(masters,
                        [](Checkpoint* c) {
                          std::string& data = c->tensors.at(kDown).data;
                          data.assign(data.size(), '\0');
                        }),
             Contains(kDown) && Contains("all zero"));
}

TEST_CASE("Hugging Face: NaN and infinity are named with their place", "[huggingface]") {
  for (const auto& [bits, word] : {std::pair<uint16_t, const char*>{0x7fc0, "NaN"}, {0xff80, "infinity"}}) {
    Checkpoint checkpoint(small());
    std::memcpy(checkpoint.tensors.at(kDown).data.data() + 2 * (5 * 48 + 7), &bits, 2);
    const auto model = checkpoint.import();
    REQUIRE(model.ok());
    std::vector<float> out(8 * 48);
    const Status status = model->find("blocks.1.ffn.down")->read_rows(2, 8, out);
    CHECK_THAT(status.message(), Contains(kDown) && Contains(word) && Contains("row 5, column 7"));
  }
}

TEST_CASE("Hugging Face: which files a path stands for", "[huggingface]") {
  CheckpointSpec spec = small();
  TemporaryFolder folder;
  REQUIRE(write_checkpoint(folder.path("one"), spec).ok());
  spec.shards = 3;
  REQUIRE(write_checkpoint(folder.path("three"), spec).ok());
  const auto one = import_checkpoint(folder.path("one"), {});
  for (const char* path : {"three", "three/model.safetensors.index.json", "one/model.safetensors"}) {
    const auto other = import_checkpoint(folder.path(path), {});
    INFO(path << " " << other.status().message());
    REQUIRE(other.ok());
    CHECK(all_rows(*one->find("blocks.1.ffn.up")) == all_rows(*other->find("blocks.1.ffn.up")));
  }
  std::filesystem::rename(folder.path("one/model.safetensors"), folder.path("one/x.safetensors"));
  std::filesystem::rename(folder.path("one/config.json"), folder.path("one/x_config.json"));
  CHECK(import_checkpoint(folder.path("one/x.safetensors"), {}).ok());
  CHECK_THAT(import_checkpoint(folder.path("one"), {}).status().message(), Contains("config.json"));
  CHECK_THAT(import_checkpoint(folder.path("nothing"), {}).status().message(), Contains("no such file"));
  CHECK_THAT(import_checkpoint(folder.path("one/x_config.json"), {}).status().message(),
             Contains("expected a directory"));
  std::filesystem::copy(folder.path("one/x.safetensors"), folder.path("three/model.safetensors"));
  CHECK_THAT(import_checkpoint(folder.path("three"), {}).status().message(), Contains("holds both"));
}
