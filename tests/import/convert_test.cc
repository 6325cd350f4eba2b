// From synthetic checkpoints to .tern files and back: what is stored without a choice decodes to the source's values.
#include "formats/import/convert.h"

#include <catch2/catch.hpp>

#include "tests/import/converted.h"

using namespace tern;
using namespace tern::test;

TEST_CASE("convert: a synthetic VPTQ checkpoint", "[convert][vptq]") {
  CheckpointSpec spec = small(Weights::vptq);
  spec.hidden = 96, spec.ffn = 160;
  spec.dtype = FloatType::f16, spec.centroids = 4096, spec.residual_centroids = 16;
  const Converted c(spec);
  INFO(c.error);
  REQUIRE(c.report);
  for (const auto& [name, bits] : {std::pair{"blocks.0.ffn.down", 12}, {"blocks.0.ffn.down.residual", 4}}) {
    CHECK(c.record(name).encoding.bits == bits);
    CHECK(c.record(name).encoding.axis == VectorAxis::output);
    CHECK(line_of(*c.report, name).exact);
  }
}

TEST_CASE("convert: packed BitNet stays exact and keeps its activation rounding", "[convert]") {
  for (Architecture architecture : {Architecture::llama, Architecture::bitnet}) {
    const Converted c(small(Weights::packed, architecture));
    c.check_report();
    for (const TensorReport& line : c.report->tensors) {
      if (line.name.starts_with("blocks.")) CHECK(line.exact);
    }
    CHECK(c.record("blocks.1.ffn.up").encoding.kind == EncodingKind::trit);
    CHECK(c.record("embed.tokens").encoding.kind == EncodingKind::int_);
    CHECK(c.record("head").encoding.kind == EncodingKind::int_);
    for (const char* name : {"blocks.0.attn.in", "blocks.0.attn.out", "blocks.1.ffn.in", "blocks.1.ffn.mid"}) {
      REQUIRE(c.input(name).ops.size() == 1);
      CHECK(c.input(name).ops[0].kind == InputOpKind::quantize);
      CHECK(c.input(name).ops[0].bits == 8);
      CHECK(c.input(name).ops[0].scope == ScaleScope::row);
    }
    REQUIRE(c.input("head.in").ops.size() == 1);
    CHECK(c.input("head.in").ops[0].scope == ScaleScope::group);
    CHECK(c.input("head.in").ops[0].group == 64);
    CHECK(c.tap("blocks.0.attn.q") == Tap::quantized);
    CHECK(c.report->peak_estimate < (uint64_t{1} << 30));
    CHECK(c.file->description().config == c.source->config);
  }
}

TEST_CASE("convert: ternary floats are recognised and packed without loss", "[convert]") {
  const Converted c(small(Weights::ternary));
  c.check_report();
  const TensorRecord& q = c.record("blocks.0.attn.q");
  CHECK(q.encoding.kind == EncodingKind::trit);
  CHECK(q.encoding.scope == ScaleScope::tensor);
  CHECK(q.encoding.scale_type == FloatType::f32);
  CHECK(line_of(*c.report, "blocks.0.attn.q").exact);
  CHECK(c.input("blocks.0.attn.in").ops.at(0).scope == ScaleScope::row);
  // 72 x 72 in tiles of 16 rows and blocks of 16 columns: 5 * 5 * 64 bytes and one scale.
  CHECK(line_of(*c.report, "blocks.0.attn.q").bytes == 1604);
}

TEST_CASE("convert: dense keeps its type and reads raw activations", "[convert]") {
  for (FloatType dtype : {FloatType::f32, FloatType::f16, FloatType::bf16}) {
    CheckpointSpec spec = small(Weights::dense);
    spec.dtype = dtype;
    spec.tied = dtype == FloatType::f32;
    const Converted c(spec);
    c.check_report();
    for (const TensorReport& line : c.report->tensors) CHECK(line.exact);
    CHECK(c.record("blocks.0.ffn.down").encoding.value_type == dtype);
    CHECK(c.record("embed.tokens").encoding.value_type == dtype);
    for (const InputRecord& input : c.file->description().inputs) CHECK(input.ops.empty());
    CHECK(c.tap("head") == Tap::raw);
    CHECK(c.file->find_tensor("head") == (spec.tied ? kNoTensor : c.file->find_tensor("head")));
    CHECK((c.file->find_tensor("head") == kNoTensor) == spec.tied);
  }
}

TEST_CASE("convert: --act f32 stores no rounding", "[convert]") {
  ConvertOptions options;
  options.f32_activations = true;
  const Converted c(small(Weights::packed), options);
  for (const InputRecord& input : c.file->description().inputs) CHECK(input.ops.empty());
  CHECK(c.tap("blocks.0.attn.q") == Tap::raw);
}

TEST_CASE("convert: matrices wider and longer than a block of the packer", "[convert]") {
  CheckpointSpec spec = small(Weights::packed);
  spec.hidden = 1024;
  spec.heads = 16;
  spec.vocab = 2500;  // three blocks of 1024 rows
  spec.layers = 1;
  const Converted c(spec);
  c.check_report();
}
