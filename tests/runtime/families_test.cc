// One architecture after another, from a checkpoint to logits: published fixtures of ../shared against the logits of
// Hugging Face's reference, and checkpoints that the suite makes itself against a forward pass in double.
#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/runtime/checkpoint_run.h"
#include "tests/runtime/tiny_model.h"
#include "tests/shared_data.h"
#include "tests/tools/checkpoint_writer.h"

namespace tern {
namespace {

using test::check_fixture;
using test::CheckpointSpec;
using test::have_shared;
using test::load_f32;
using test::Scratch;
using Architecture = CheckpointSpec::Architecture;
using Scaling = CheckpointSpec::RopeScaling;

void check_published(const std::string& name) {
  if (!have_shared("data/hf/" + name + "_logits.json")) return;
  const Scratch scratch;
  const std::string config = "data/hf/" + name + "_config.json", weights = "data/hf/" + name + ".safetensors";
  check_fixture(load_f32(scratch, scratch.checkpoint({{config, "config.json"}, {weights, "model.safetensors"}})),
                "data/hf/" + name + "_logits.json");
}

// Against double arithmetic over the converted file: `tokens` ids, in a fixed order that repeats none soon.
void check_in_double(const std::shared_ptr<const Model>& model, uint32_t count) {
  std::vector<int32_t> tokens;
  for (uint32_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<int32_t>((i * 37 + i * i) % model->config().vocab_size));
  }
  const auto expected = test::reference_logits(model->file(), tokens, false);
  const auto logits = test::run(model, tokens);
  double worst = 0;
  for (size_t t = 0; t < tokens.size(); ++t) {
    worst = std::max(worst, test::relative_error(logits[t], expected[t]));
  }
  CHECK(worst < 1e-4);
  CHECK(worst > 0);
}

CheckpointSpec spec_of(Architecture architecture) {
  CheckpointSpec s;
  s.architecture = architecture;
  s.hidden = 32, s.ffn = 48, s.heads = 4, s.kv_heads = 2, s.vocab = 61, s.context = 96;
  s.dtype = FloatType::f32;
  return s;
}

std::shared_ptr<const Model> make(const Scratch& scratch, const CheckpointSpec& spec) {
  const std::string path = (scratch.path / "made").string();
  test::must(test::write_checkpoint(path, spec));
  return load_f32(scratch, path, WeightChoice::f32);
}

constexpr uint32_t kTokens = 80;  // more than two cache blocks

}  // namespace

TEST_CASE("families: Hugging Face Llama fixture, one file and shards") {
  if (!have_shared("data/hf/tiny_llama_logits.json")) return;
  const Scratch scratch;
  check_fixture(load_f32(scratch, scratch.checkpoint({{"data/hf/tiny_llama_config.json", "config.json"},
                                                      {"data/hf/tiny_llama.safetensors", "model.safetensors"}})),
                "data/hf/tiny_llama_logits.json");
  const std::string base = "tiny_llama-0000", of = "-of-00002.safetensors";
  check_fixture(load_f32(scratch, scratch.checkpoint(
                                      {{"data/hf/tiny_llama_config.json", "config.json"},
                                       {"data/hf/tiny_llama.safetensors.index.json", "model.safetensors.index.json"},
                                       {"data/hf/" + base + "1" + of, base + "1" + of},
                                       {"data/hf/" + base + "2" + of, base + "2" + of}})),
                "data/hf/tiny_llama_logits.json");
}

TEST_CASE("families: Hugging Face BitNet fixture") {
  if (!have_shared("data/hf/tiny_bitnet_logits.json")) return;
  const Scratch scratch;
  check_fixture(load_f32(scratch,
                         scratch.checkpoint({{"data/hf/tiny_bitnet_config.json", "config.json"},
                                             {"data/hf/tiny_bitnet.safetensors", "model.safetensors"}}),
                         WeightChoice::f32),
                "data/hf/tiny_bitnet_logits.json");
}

TEST_CASE("families: Hugging Face Mistral fixture") { check_published("tiny_mistral"); }
TEST_CASE("families: Hugging Face Qwen2 fixture") { check_published("tiny_qwen2"); }
TEST_CASE("families: Hugging Face Qwen3 fixture") { check_published("tiny_qwen3"); }

TEST_CASE("families: small published checkpoints without logits") {
  for (const char* name : {"tiny_llama3", "tiny_qwen3"}) {
    const std::string path = std::string("data/hf/") + name;
    if (!have_shared(path)) return;
    const Scratch scratch;
    const auto model = load_f32(scratch, test::shared_path(path));
    CHECK((model->config().rope_scaling == RopeScaling::llama3) == (std::string(name) == "tiny_llama3"));
    check_in_double(model, kTokens);
  }
}

TEST_CASE("families: Llama with biases, and both kinds of rope scaling") {
  const Scratch scratch;
  CheckpointSpec spec = spec_of(Architecture::llama);
  spec.attention_bias = spec.mlp_bias = true;
  spec.rope_scaling = Scaling::linear;
  const auto linear = make(scratch, spec);
  CHECK(linear->config().rope_factor == 2.5f);
  CHECK(linear->file().find_tensor("blocks.1.ffn.down.bias") != kNoTensor);
  check_in_double(linear, kTokens);
  spec.rope_scaling = Scaling::llama3;
  spec.head_dim = 24;
  const auto llama3 = make(scratch, spec);
  CHECK(llama3->config().rope_trained_context == 64);
  check_in_double(llama3, kTokens);
}

TEST_CASE("families: Mistral, with a window inside a cache block, across blocks, and none") {
  for (const uint32_t window : {3u, 32u, 45u, 0u}) {
    const Scratch scratch;
    CheckpointSpec spec = spec_of(Architecture::mistral);
    spec.window = window;
    const auto model = make(scratch, spec);
    CHECK(model->config().window == window);
    check_in_double(model, kTokens);
  }
}

TEST_CASE("families: Qwen2 and Qwen3, with and without a window") {
  for (const Architecture architecture : {Architecture::qwen2, Architecture::qwen3}) {
    for (const uint32_t window : {0u, 33u}) {
      const Scratch scratch;
      CheckpointSpec spec = spec_of(architecture);
      spec.window = window;
      spec.tied = architecture == Architecture::qwen3;
      spec.head_dim = architecture == Architecture::qwen3 ? 20 : 0;
      spec.attention_bias = architecture == Architecture::qwen3;
      const auto model = make(scratch, spec);
      CHECK(model->config().window == window);
      const bool norms = model->file().find_tensor("blocks.0.attn.k_norm") != kNoTensor;
      CHECK(norms == (architecture == Architecture::qwen3));
      CHECK(model->file().find_tensor("blocks.0.attn.q.bias") != kNoTensor);
      check_in_double(model, kTokens);
    }
  }
}

TEST_CASE("families: iFairy, complex numbers") {
  for (const uint32_t kv_heads : {4u, 1u}) {
    const Scratch scratch;
    CheckpointSpec spec = spec_of(Architecture::ifairy);
    spec.kv_heads = kv_heads;
    const auto model = make(scratch, spec);
    CHECK(model->config().numbers == Numbers::complex);
    CHECK(model->config().hidden_size == 64);
    CHECK(model->file().description().tensors[model->file().find_tensor("blocks.1.ffn.up")].encoding.bits == 1);
    check_in_double(model, kTokens);
  }
}

TEST_CASE("families: BitNet embedding models, a norm per projection") {
  const Scratch scratch;
  const auto model = make(scratch, spec_of(Architecture::bitnet_embedding));
  const ModelDescription& d = model->file().description();
  size_t own = 0;
  for (const InputRecord& input : d.inputs) own += !input.ops.empty() && input.ops[0].kind == InputOpKind::normalize;
  CHECK(own == 2 * 5);  // q, k, v, gate, up of two blocks
  for (const TensorRecord& t : d.tensors) {
    if (t.name == "blocks.0.attn.q") CHECK(t.encoding.kind == EncodingKind::trit);
  }
  check_in_double(model, kTokens);
}

}  // namespace tern
