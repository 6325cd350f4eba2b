// make_checkpoint OUT [options]: a synthetic Hugging Face checkpoint, for tests and benches of sizes that no
// small real model has.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>

#include "tests/tools/checkpoint_writer.h"

using tern::FloatType;
using tern::test::CheckpointSpec;

int main(int argc, char** argv) {
  using Architecture = CheckpointSpec::Architecture;
  using Weights = CheckpointSpec::Weights;
  using RopeScaling = CheckpointSpec::RopeScaling;
  CLI::App app{"Writes a synthetic Hugging Face checkpoint of a Llama-like shape"};
  std::string out, shape;
  CheckpointSpec spec;
  app.add_option("out", out, "Directory to write")->required();
  app.add_option_function<std::string>(
         "--shape",
         [&spec](const std::string& name) { spec = name == "7b" ? tern::test::shape_7b() : tern::test::shape_1_1b(); },
         "A known shape: 1.1b or 7b; options that follow change it")
      ->check(CLI::IsMember({"1.1b", "7b"}))
      ->trigger_on_parse();
  app.add_option("--hidden", spec.hidden, "Width of the residual stream");
  app.add_option("--ffn", spec.ffn, "Width of the FFN");
  app.add_option("--layers", spec.layers, "Blocks");
  app.add_option("--heads", spec.heads, "Attention heads");
  app.add_option("--kv-heads", spec.kv_heads, "Key and value heads");
  app.add_option("--head-dim", spec.head_dim, "Width of a head (default: hidden / heads)");
  app.add_option("--vocab", spec.vocab, "Tokens");
  app.add_option("--context", spec.context, "Positions");
  app.add_option("--shards", spec.shards, "Files");
  app.add_option("--seed", spec.seed, "Seed");
  app.add_flag("--tied", spec.tied, "The head is the embedding");
  app.add_option("--arch", spec.architecture, "llama, bitnet, mistral, qwen2, qwen3, bitnet-embedding or ifairy")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, Architecture>{{"llama", Architecture::llama},
                                              {"bitnet", Architecture::bitnet},
                                              {"mistral", Architecture::mistral},
                                              {"qwen2", Architecture::qwen2},
                                              {"qwen3", Architecture::qwen3},
                                              {"bitnet-embedding", Architecture::bitnet_embedding},
                                              {"ifairy", Architecture::ifairy}}));
  app.add_flag("--attention-bias", spec.attention_bias, "Biases of q, k, v and o");
  app.add_flag("--mlp-bias", spec.mlp_bias, "Biases of gate, up and down");
  app.add_option("--window", spec.window, "Sliding window (mistral, qwen2, qwen3)");
  app.add_option("--rope-scaling", spec.rope_scaling, "linear (2.5) or llama3 (8, 1, 4, 64)")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, RopeScaling>{{"linear", RopeScaling::linear}, {"llama3", RopeScaling::llama3}}));
  app.add_option("--weights", spec.weights, "dense, ternary (floats -s, 0, s), bitnet-packed or vptq")
      ->transform(CLI::CheckedTransformer(std::map<std::string, Weights>{{"dense", Weights::dense},
                                                                         {"ternary", Weights::ternary},
                                                                         {"bitnet-packed", Weights::packed},
                                                                         {"vptq", Weights::vptq}}));
  app.add_option("--length", spec.vector_length, "vptq: values of a vector");
  app.add_option("--centroids", spec.centroids, "vptq: entries of a codebook, a power of two");
  app.add_option("--residual", spec.residual_centroids, "vptq: entries of the residual codebook; 0: none");
  app.add_option("--dtype", spec.dtype, "bf16, f16 or f32")
      ->transform(CLI::CheckedTransformer(std::map<std::string, FloatType>{
          {"bf16", FloatType::bf16}, {"f16", FloatType::f16}, {"f32", FloatType::f32}}));
  CLI11_PARSE(app, argc, argv);

  const tern::Status status = tern::test::write_checkpoint(out, spec);
  if (status.ok()) return 0;
  fmt::print(stderr, "make_checkpoint: {}\n", status.message());
  return 1;
}
