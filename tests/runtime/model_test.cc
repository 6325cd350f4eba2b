// What a model refuses, by name; and rotary angles.
#include "runtime/model/model.h"

#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
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

uint32_t add_tensor(ModelDescription& d, const std::string& name, const Encoding& encoding, uint64_t rows,
                    uint64_t cols) {
  TensorRecord t;
  t.name = name, t.encoding = encoding, t.rows = rows, t.cols = cols;
  d.tensors.push_back(t);
  return static_cast<uint32_t>(d.tensors.size() - 1);
}
uint32_t add_vector(ModelDescription& d, const std::string& name, uint64_t size) {
  return add_tensor(d, name, {EncodingKind::plain, FloatType::f32, 0, 1, ScaleScope::none, FloatType::f32, 0}, 1, size);
}
uint32_t add_index(ModelDescription& d, const std::string& name, uint64_t size) {
  return add_tensor(d, name, {EncodingKind::index, FloatType::f32, 0, 1, ScaleScope::none, FloatType::f32, 0}, 1, size);
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
  check_refused(load_changed([](ModelDescription& d) {
                  LinearRecord& up = linear(d, "blocks.0.ffn.up");
                  InputOp op;
                  op.kind = InputOpKind::rotate, op.block = 3;
                  op.tensor = add_tensor(d, "rotation", test::ints(8, ScaleScope::row, 0, FloatType::f32), 24, 3);
                  d.inputs[up.input].ops.push_back(op);
                }),
                "blocks.0.ffn.in", "rotations of 3 columns whose encoding pads them to 4");
  check_refused(load_changed([](ModelDescription& d) {
                  InputOp op;
                  op.bits = 8, op.scope = ScaleScope::row;
                  LinearRecord& q = linear(d, "blocks.0.attn.q");
                  d.inputs[q.input].ops.push_back(op);
                  Term term = q.terms[0];
                  term.kind = TermKind::sparse, term.tap = Tap::quantized;
                  term.tensor = add_vector(d, "values", 7);
                  term.second = add_index(d, "columns", 7), term.third = add_index(d, "starts", q.rows + 1);
                  q.terms.push_back(term);
                }),
                "blocks.0.attn.q", "sparse terms over rounded activations");
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

namespace {

const TinyShape& composed_shape() {
  static const std::vector<TinyShape> shapes = test::tiny_shapes();
  return *std::find_if(shapes.begin(), shapes.end(), [](const TinyShape& s) { return s.composed; });
}

// Loads a model of compositions after value `at` of a tensor has become `value`.
template <class T>
Status load_with(const std::string& tensor, uint64_t at, T value) {
  const TinyFile file(composed_shape());
  const auto opened = TernFile::open(file.path()).value();
  const TensorRecord& t = opened->description().tensors[opened->find_tensor(tensor)];
  std::fstream bytes(file.path(), std::ios::in | std::ios::out | std::ios::binary);
  bytes.seekp(static_cast<std::streamoff>(t.codes.offset + at * sizeof(T)));
  bytes.write(reinterpret_cast<const char*>(&value), sizeof value);
  bytes.close();
  return Model::load(file.path()).status();
}

void check_corrupt(const Status& status, const std::string& tensor, const std::string& what) {
  INFO(status.message());
  CHECK(status.code() == Code::corrupt);
  CHECK(status.message().find("tensor '" + tensor + "'") != std::string::npos);
  CHECK(status.message().find(what) != std::string::npos);
}

}  // namespace

TEST_CASE("model: indices and signs that their place does not allow are refused by name") {
  const std::string at = "blocks.1.attn.";
  CHECK(load_with(at + "q.b", 0, uint16_t{0x3c00}).ok());
  check_corrupt(load_with(at + "in.permutation", 5, 48u), at + "in.permutation", "index 5 is 48");
  check_corrupt(load_with(at + "in.permutation", 0, ~0u), at + "in.permutation", "index 0 is 4294967295");
  const TinyFile file(composed_shape());
  const auto opened = TernFile::open(file.path()).value();
  uint32_t first;
  std::memcpy(&first, opened->codes(opened->find_tensor(at + "in.permutation")).data(), 4);
  check_corrupt(load_with(at + "in.permutation", 47, first), at + "in.permutation", "each once");
  check_corrupt(load_with(at + "q.columns", 49, 46u), at + "q.columns", "column 49 is 46, expected one below 46");
  check_corrupt(load_with(at + "q.starts", 0, 1u), at + "q.starts", "row start 0 is 1");
  check_corrupt(load_with(at + "q.starts", 54, 49u), at + "q.starts", "row start 54 is 49");
  check_corrupt(load_with(at + "q.starts", 20, 51u), at + "q.starts", "row start 20 is 51");
  check_corrupt(load_with(at + "q.starts", 53, 0u), at + "q.starts", "row start 53 is 0");
  check_corrupt(load_with(at + "o.signs", 3, 0.5f), at + "o.signs", "value 3 is 0.5, expected a sign");
  check_corrupt(load_with(at + "in.matrix.signs", 143, -2.f), at + "in.matrix.signs", "value 143 is -2");
}

TEST_CASE("model: what a composition makes of an input is made once for its layers") {
  const TinyFile file(composed_shape());
  const auto model = file.load();
  const Block& b = model->parts().blocks[0];
  REQUIRE(b.attn_in.steps.size() == 3);
  CHECK(b.attn_in.forms.size() == 3);             // raw, transformed, A x of q's low-rank term over the raw row
  CHECK(b.k.terms[0].form == b.k.terms[1].form);  // views of the transformed row
  CHECK(b.k.terms[1].col_begin == 16);
  CHECK(b.k.terms[0].sets);
  CHECK_FALSE(b.k.terms[1].sets);
  CHECK_FALSE(b.k.starts_at_zero);
  CHECK(b.v.starts_at_zero);
  CHECK((b.o.whole_rows && b.up.whole_rows && !b.gate.whole_rows && !b.down.whole_rows));
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
  CHECK(q.terms[0].weight.encoding.planes == 1);
  CHECK(q.weight_bytes == (q.terms[0].weight.layout.code_bytes + q.terms[0].weight.layout.scale_bytes) / 2);
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
  CHECK_FALSE(model->parts().blocks[0].attn_in.rounded());
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
