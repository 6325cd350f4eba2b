// iFairy from checkpoint to file: what becomes phases and real vectors, what is refused.
#include "formats/import/ifairy.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "tests/import/converted_phases.h"

using namespace tern;
using namespace tern::test;
using Architecture = CheckpointSpec::Architecture;

TEST_CASE("ifairy: masters become phases of W alone, norms and embedding real vectors") {
  const Checkpoint checkpoint(phase_shape(Architecture::ifairy));
  const ConvertedPhases c(checkpoint);
  const ModelConfig& config = c.file->description().config;
  CHECK(config.numbers == Numbers::complex);
  CHECK(config.activation == Activation::complex_relu2);
  CHECK(config.hidden_size == 144);
  CHECK(config.ffn_size == 200);
  CHECK(config.head_dim == 24);
  CHECK(config.norm_eps == 0.5e-5f);
  for (const TensorReport& t : c.report.tensors) {
    if (t.name.starts_with("blocks.")) CHECK(t.exact);
  }
  const Encoding& e = c.encoding(kPhaseLayer);
  CHECK(e.kind == EncodingKind::phase);
  CHECK(e.bits == 1);
  CHECK(e.planes == 1);
  CHECK(c.file->description().inputs.at(0).ops.at(0).group == 72);
  const auto norm = c.stored("blocks.0.ffn.sub_norm");
  const auto re = as_floats(checkpoint.tensors.at("layer.0.mlp.ffn_layernorm.weight_real"));
  const auto im = as_floats(checkpoint.tensors.at("layer.0.mlp.ffn_layernorm.weight_imag"));
  CHECK(norm[3] == Approx(re[3] / std::sqrt(2)));
  CHECK(norm[103] == Approx(im[3] / std::sqrt(2)));
}

TEST_CASE("ifairy: what is not understood is refused by name") {
  const auto error_of = [](auto change) {
    Checkpoint c(phase_shape(Architecture::ifairy));
    change(c);
    return c.error();
  };
  CHECK(error_of([](Checkpoint&) {}) == "no error");
  says(error_of([](Checkpoint& c) { c.tensors.erase("layer.1.mlp.up_proj.weight_imag"); }),
       "lacks the tensor 'layer.1.mlp.up_proj.weight_imag'");
  says(error_of([](Checkpoint& c) {
         c.tensors.at("layer.0.self_attn.k_proj.weight_real").shape = {72, 24};
       }),
       "'layer.0.self_attn.k_proj.weight_real'");
  says(error_of([](Checkpoint& c) { c.rename("final_norm.weight_imag", "final_norm.bias"); }),
       "final_norm.weight_imag");
  says(error_of([](Checkpoint& c) { c.tensors["extra"] = c.tensors.at("lm_head.weight"); }), "'extra'");
  says(error_of([](Checkpoint& c) { set_value(c.tensors.at("layer.0.mlp.up_proj.weight_imag"), 5, 0x7fc0); }), "NaN");
  says(error_of([](Checkpoint& c) { c.config["head_dim"] = 10; }), "6 heads of 10");
  says(error_of([](Checkpoint& c) { c.config["num_key_value_heads"] = 4; }), "no multiple");
  says(error_of([](Checkpoint& c) {
         c.config["rope_scaling"] = {{"type", "linear"}, {"factor", 2.0}};
       }),
       "rope_scaling");
  says(error_of([](Checkpoint& c) { c.config["attention_bias"] = true; }), "attention_bias");
  says(error_of([](Checkpoint& c) { c.config["complex_gate"] = 1; }), "unknown field 'complex_gate'");
  says(error_of([](Checkpoint& c) { c.config.erase("rope_theta"); }), "rope_theta");
}
