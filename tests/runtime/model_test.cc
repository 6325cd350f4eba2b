// What a model refuses, by name; and rotary angles.
#include "runtime/model/model.h"

#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <functional>

#include "runtime/model/parts.h"
#include "runtime/model/rope_table.h"
#include "runtime/session/sequence_state.h"
#include "tests/runtime/tiny_model.h"

namespace tern {
namespace {

using test::TinyFile;
using test::TinyShape;

// Loads shape 0 after a change to its description. The writer takes the change: it is well-formed.
Status load_changed(const std::function<void(ModelDescription&)>& change, const LoadOptions& options = {}) {
  const auto path = std::filesystem::temp_directory_path() / ("tern-model-test-" + std::to_string(getpid()) + ".tern");
  ModelDescription d = test::describe_tiny(test::tiny_shapes()[0]);
  change(d);
  test::write_tiny(path.string(), d, 5);
  const Status status = Model::load(path.string(), options).status();
  std::filesystem::remove(path);
  return status;
}

LinearRecord& linear(ModelDescription& d, const std::string& name) {
  for (LinearRecord& l : d.linears) {
    if (l.name == name) return l;
  }
  throw std::runtime_error("no such layer");
}

uint32_t add_vector(ModelDescription& d, const std::string& name, uint64_t size) {
  TensorRecord t;
  t.name = name, t.rows = 1, t.cols = size;
  t.encoding = {EncodingKind::plain, FloatType::f32, 0, 1, ScaleScope::none, FloatType::f32, 0};
  d.tensors.push_back(t);
  return static_cast<uint32_t>(d.tensors.size() - 1);
}

void check_refused(const Status& status, const std::string& layer, const std::string& part) {
  INFO(status.message());
  CHECK(status.code() == Code::unsupported);
  CHECK(status.message().find(layer) != std::string::npos);
  CHECK(status.message().find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("model: compositions that this version lacks are refused by name") {
  CHECK(load_changed([](ModelDescription&) {}).ok());
  check_refused(load_changed([](ModelDescription& d) { linear(d, "blocks.1.attn.o").terms[0].scale = 2.f; }),
                "blocks.1.attn.o", "scale");
  check_refused(load_changed([](ModelDescription& d) {
                  auto& terms = linear(d, "blocks.0.ffn.up").terms;
                  terms.push_back(terms[0]);
                }),
                "blocks.0.ffn.up", "2 terms");
  check_refused(load_changed([](ModelDescription& d) {
                  OutputOp op;
                  op.tensor = add_vector(d, "blocks.0.attn.q.post", 24);
                  linear(d, "blocks.0.attn.q").post.push_back(op);
                }),
                "blocks.0.attn.q", "output operation 'scale'");
  check_refused(load_changed([](ModelDescription& d) {
                  InputOp op;
                  op.kind = InputOpKind::scale;
                  op.tensor = add_vector(d, "blocks.0.attn.in.scale", 24);
                  d.inputs[linear(d, "blocks.0.attn.k").input].ops.push_back(op);
                }),
                "blocks.0.attn.in", "input operation 'scale'");
  check_refused(load_changed([](ModelDescription& d) {
                  InputOp op;
                  op.kind = InputOpKind::normalize;
                  op.tensor = add_vector(d, "blocks.0.attn.in.norm", 24);
                  d.inputs[linear(d, "blocks.0.attn.k").input].ops.push_back(op);
                }),
                "blocks.0.attn.in", "input operation 'normalize'");
  check_refused(load_changed([](ModelDescription& d) {
                  InputOp op;
                  op.bits = 4, op.scope = ScaleScope::row;
                  LinearRecord& head = linear(d, "head");
                  d.inputs[head.input].ops.push_back(op);
                  head.terms[0].tap = Tap::quantized;
                }),
                "head.in", "4 bits");
  check_refused(load_changed([](ModelDescription& d) {
                  InputOp op;
                  op.bits = 8, op.scope = ScaleScope::row;
                  LinearRecord& head = linear(d, "head");
                  d.inputs[head.input].ops.push_back(op);
                  head.terms[0].tap = Tap::quantized;
                }),
                "head", "f32 weights on int8 activations");  // no kernel for dense weights on int8 activations
  check_refused(load_changed([](ModelDescription& d) { d.config.rope_base = 0.5f; }), "rope_base", "0.5");
}

TEST_CASE("model: what is missing or does not exist is an error") {
  const Status missing = load_changed([](ModelDescription& d) { d.config.layers = 3; });
  CHECK(missing.code() == Code::corrupt);
  CHECK(missing.message().find("blocks.2.") != std::string::npos);
  LoadOptions options;
  options.isa = "avx1024";
  CHECK(load_changed([](ModelDescription&) {}, options).code() == Code::invalid_argument);
  CHECK_FALSE(Model::load("/nowhere/model.tern").ok());
}

TEST_CASE("model: the first stages of phase weights run alone") {
  const auto shapes = test::tiny_shapes();
  const auto named = [&](const char* name) {
    return *std::find_if(shapes.begin(), shapes.end(),
                         [&](const auto& s) { return std::string(s.name).find(name) == 0; });
  };
  const TinyFile file(named("phases of U and W in two stages"));
  const auto whole = file.load();
  LoadOptions options;
  options.stages = 2;
  CHECK(file.load(options)->bytes_per_token() == whole->bytes_per_token());
  options.stages = 1;
  const auto first = file.load(options);
  const LinearPlan& q = first->parts().blocks[0].q;
  CHECK(q.weight.encoding.planes == 1);
  CHECK(q.bytes() == (q.weight.layout.code_bytes + q.weight.layout.scale_bytes) / 2);
  CHECK(first->bytes_per_token() < whole->bytes_per_token());
  CHECK(model_fingerprint(*first) != model_fingerprint(*whole));
  options.stages = 3;
  CHECK(Model::load(file.path(), options).status().message() ==
        "stages is 3, expected at most the 2 of blocks.0.attn.q");
  const TinyFile other(shapes[0]);
  options.stages = 1;
  const Status status = Model::load(other.path(), options).status();
  CHECK(status.code() == Code::invalid_argument);
  CHECK(status.message().find("stages is 1, but the model has no layer in stages") != std::string::npos);
}

TEST_CASE("model: options choose the kernels, facts describe them") {
  const TinyFile file(test::tiny_shapes()[1]);
  LoadOptions options;
  options.isa = "scalar";
  CHECK(file.load(options)->kernels() ==
        std::vector<std::string>{"linear_trit2_a8_reference_scalar", "linear_int8_a8_reference_scalar"});
  CHECK(file.load(options)->features() == 0);
  options.activations = ActivationRounding::f32;
  const auto model = file.load(options);
  CHECK(model->kernels() ==
        std::vector<std::string>{"linear_trit2_f32_reference_scalar", "linear_int8_f32_reference_scalar"});
  CHECK_FALSE(model->parts().blocks[0].attn_in.rounded);
  uint64_t bytes = 0;
  for (const TensorRecord& t : model->file().description().tensors) {
    if (t.encoding.kind != EncodingKind::plain) bytes += t.codes.bytes + t.scales.bytes;
  }
  CHECK(model->bytes_per_token() >= bytes);  // the tied head is read once, and one row of it as embedding
  CHECK(model->bytes_per_token() < bytes + 2 * 64);
}

TEST_CASE("model: rotary angles are those of double arithmetic, rounded once") {
  for (const double base : {1.0, 10000.0, 500000.0}) {
    for (const uint32_t d : {2u, 6u, 64u, 128u}) {
      ModelConfig c;
      c.rope_base = static_cast<float>(base), c.head_dim = d;
      const std::vector<double> frequencies = rope_frequencies(c);
      REQUIRE(frequencies.size() == d / 2);
      std::vector<float> cos(d / 2), sin(d / 2);
      for (const uint32_t position : {0u, 1u, 7u, 511u, 4095u, 131071u, kMaxPositions - 1}) {
        rope_angles(frequencies, position, cos.data(), sin.data());
        for (uint32_t i = 0; i < d / 2; ++i) {
          const double frequency = std::pow(base, -2.0 * i / d);
          CHECK(std::fabs(frequencies[i] - frequency) <= 2e-14 * frequency);
          // The frequency's error grows with the position; half an ulp of f32 comes on top.
          const double bound = position * frequency * 2e-14 + 1e-12 + 0x1p-24;
          CHECK(std::fabs(cos[i] - std::cos(position * frequency)) <= bound);
          CHECK(std::fabs(sin[i] - std::sin(position * frequency)) <= bound);
        }
      }
    }
  }
}

TEST_CASE("model: scaled rotary frequencies, for the numbers of Llama 3.1") {
  ModelConfig c;
  c.rope_base = 500000, c.head_dim = 128;
  const std::vector<double> plain = rope_frequencies(c);
  c.rope_scaling = RopeScaling::linear, c.rope_factor = 4;
  const std::vector<double> linear = rope_frequencies(c);
  c.rope_scaling = RopeScaling::llama3, c.rope_factor = 8;
  c.rope_low_frequency = 1, c.rope_high_frequency = 4, c.rope_trained_context = 8192;
  const std::vector<double> llama3 = rope_frequencies(c);
  int kept = 0, divided = 0;
  for (size_t i = 0; i < plain.size(); ++i) {
    CHECK(linear[i] == plain[i] / 4);
    const double wavelength = 2 * std::acos(-1.0) / plain[i];
    kept += llama3[i] == plain[i], divided += llama3[i] == plain[i] / 8;
    if (wavelength < 2047) CHECK(llama3[i] == plain[i]);
    if (wavelength > 8193) CHECK(llama3[i] == plain[i] / 8);
    if (wavelength > 2049 && wavelength < 8191) {
      const double smooth = (8192 / wavelength - 1) / 3;
      CHECK(llama3[i] == Approx(plain[i] * ((1 - smooth) / 8 + smooth)).epsilon(1e-13));
    }
  }
  // 500000^(-i/64): wavelengths 1964 at i = 28, 2411 at 29, 7331 at 34... 8999 at 35
  CHECK(kept == 29);
  CHECK(divided == 29);
}

}  // namespace tern
