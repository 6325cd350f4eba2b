// Encodings on request: what is stored is what their quantizers give, and the report says what was lost.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "formats/quantize/round_to_nearest.h"
#include "tests/import/converted.h"

using namespace tern;
using namespace tern::test;
using Catch::Matchers::Contains;

TEST_CASE("convert: vectors of codebooks", "[convert][vq]") {
  ConvertOptions options = with_weights(WeightChoice::vq);
  for (const uint8_t planes : {1, 2}) {
    options.vq.planes = planes, options.vq.length = planes == 1 ? 4 : 8, options.vq.bits = 5;
    const Converted c(small(Weights::dense), options), again(small(Weights::dense), options);
    INFO(c.error);
    REQUIRE(c.report);
    c.check_report();
    const TensorRecord& up = c.record("blocks.0.ffn.up");
    CHECK(up.encoding.kind == EncodingKind::vector);
    CHECK(up.encoding.axis == VectorAxis::input);
    CHECK(up.encoding.planes == planes);
    CHECK(c.file->description().tensors[up.codebook].name == "blocks.0.ffn.up.codebook");
    CHECK(c.tap("blocks.0.ffn.up") == Tap::quantized);
    CHECK(line_of(*c.report, "blocks.0.ffn.up").relative_error < 0.7);
    CHECK(c.stored("blocks.1.attn.q") == again.stored("blocks.1.attn.q"));
  }
  options.vq.bits = 9;
  const Converted refused(small(Weights::dense), options);
  CHECK_THAT(refused.error, Contains("codebooks of 9 bits"));
}

TEST_CASE("convert: int8 weights and their activations share groups", "[convert]") {
  ConvertOptions options = with_weights(WeightChoice::int8);
  options.int_group = 32;
  const Converted c(small(Weights::dense), options);
  c.check_report();
  const TensorRecord& down = c.record("blocks.1.ffn.down");
  CHECK(down.encoding.group == 32);
  CHECK(down.encoding.scale_type == FloatType::f16);
  CHECK(c.input("blocks.1.ffn.mid").ops.at(0).group == 32);
  CHECK(c.record("embed.tokens").encoding.kind == EncodingKind::int_);
  CHECK(line_of(*c.report, "blocks.1.ffn.down").relative_error < 0.01);
  CHECK_FALSE(line_of(*c.report, "blocks.1.ffn.down").exact);

  options.int_group = 1000;  // wider than the matrices: one group a row
  CHECK(Converted(small(Weights::dense), options).record("blocks.1.ffn.down").encoding.group == 100);
}

TEST_CASE("convert: four and six bits on request, each with its group", "[convert]") {
  ConvertOptions options = with_weights(WeightChoice::int4);
  options.head = WeightChoice::int6, options.embed = WeightChoice::int8;
  const Converted c(small(Weights::dense), options);
  c.check_report();
  CHECK(describe(c.record("blocks.1.ffn.down").encoding) == "int 4-bit, f16 scale per 32");
  CHECK(describe(c.record("head").encoding) == "int 6-bit, f16 scale per 64");
  CHECK(describe(c.record("embed.tokens").encoding) == "int 8-bit, f16 scale per 64");
  CHECK(c.input("blocks.1.ffn.mid").ops.at(0).group == 32);
  CHECK(c.input("head.in").ops.at(0).group == 64);
  CHECK(line_of(*c.report, "blocks.1.ffn.down").relative_error < 0.12);
  CHECK(line_of(*c.report, "head").relative_error < 0.03);
  // 100 columns: three whole groups and one of four, each rounded by itself.
  const TensorRecord& down = c.record("blocks.1.ffn.down");
  const auto w = c.original("blocks.1.ffn.down"), stored = c.stored("blocks.1.ffn.down");
  for (uint64_t at = 0; at < w.size(); at += at % down.cols == 96 ? 4 : 32) {
    const uint64_t size = at % down.cols == 96 ? 4 : 32;
    std::vector<int8_t> q(size);
    const float scale = round_to_fitted_scale(std::span(w).subspan(at, size), 4, FloatType::f16, q);
    for (uint64_t i = 0; i < size; ++i) REQUIRE(stored[at + i] == scale * static_cast<float>(q[i]));
  }

  CheckpointSpec tied = small(Weights::ternary);
  tied.tied = true;
  options = {};
  options.head = WeightChoice::int4, options.int_group = 24;
  const Converted t(tied, options);
  t.check_report();
  CHECK(describe(t.record("embed.tokens").encoding) == "int 4-bit, f16 scale per 24");
  CHECK(t.record("blocks.0.attn.q").encoding.kind == EncodingKind::trit);
}

TEST_CASE("convert: trits on request, by absmean", "[convert]") {
  const Converted c(small(Weights::dense), with_weights(WeightChoice::trit));
  c.check_report();
  const auto w = c.original("blocks.0.ffn.up"), t = c.stored("blocks.0.ffn.up");
  double sum = 0;
  for (float v : w) sum += std::fabs(v);
  const auto gamma = static_cast<float>(sum / static_cast<double>(w.size()));
  for (size_t i = 0; i < w.size(); ++i) {
    CHECK(t[i] == gamma * std::min(1.f, std::max(-1.f, std::nearbyint(w[i] / gamma))));
  }
}

TEST_CASE("convert: trit planes on request, by PTQTP", "[convert]") {
  ConvertOptions options = with_weights(WeightChoice::ptqtp);
  options.ptqtp_group = 32;
  options.ptqtp.planes = 3;
  const Converted c(small(Weights::dense), options);
  c.check_report();
  const TensorRecord& down = c.record("blocks.1.ffn.down");
  CHECK(describe(down.encoding) == "trit 2-bit, 3 planes, f16 scale per 32");
  CHECK(c.input("blocks.1.ffn.mid").ops.at(0).group == 32);
  // 100 columns: three whole groups and one of four, each fitted by itself.
  const auto w = c.original("blocks.1.ffn.down"), stored = c.stored("blocks.1.ffn.down");
  PtqtpFitter fitter(options.ptqtp, 32);
  for (uint64_t row = 0; row < down.rows; ++row) {
    for (uint64_t begin = 0; begin < down.cols; begin += 32) {
      const uint64_t at = row * down.cols + begin, size = std::min<uint64_t>(32, down.cols - begin);
      std::vector<int8_t> trits(3 * size);
      std::vector<float> scales(3);
      fitter.fit(std::span(w).subspan(at, size), {}, trits.data(), size, scales);
      for (uint64_t i = 0; i < size; ++i) {
        float value = 0;
        for (uint64_t p = 0; p < 3; ++p) value = std::fma(scales[p], trits[p * size + i], value);
        REQUIRE(stored[at + i] == value);
      }
    }
  }
  options.ptqtp.tied = true;
  CHECK_THAT(Converted(small(Weights::dense), options).error, Contains("tied scales need 2 trit planes"));
}

TEST_CASE("convert: five trits in a byte on request, the same values", "[convert]") {
  for (const WeightChoice choice : {WeightChoice::automatic, WeightChoice::trit, WeightChoice::ptqtp}) {
    ConvertOptions options = with_weights(choice);
    options.ptqtp_group = 30;
    const Weights weights = choice == WeightChoice::automatic ? Weights::packed : Weights::dense;
    const Converted two(small(weights), options);
    options.pack = TritPacking::five_in_a_byte;
    const Converted five(small(weights), options);
    five.check_report();
    for (const TensorRecord& t : two.file->description().tensors) {
      INFO(t.name);
      Encoding expected = t.encoding;
      if (expected.kind == EncodingKind::trit) expected.bits = 1;
      CHECK(five.record(t.name).encoding == expected);
      if (expected.kind == EncodingKind::trit) CHECK(five.stored(t.name) == two.stored(t.name));
    }
    options.pack = TritPacking::automatic;
    CHECK(Converted(small(weights), options).record("blocks.0.ffn.up").encoding.bits == 2);
  }
}

TEST_CASE("convert: groups that fill no block at 1.6 bits cannot be rounded per token", "[convert]") {
  ConvertOptions options = with_weights(WeightChoice::ptqtp);
  options.pack = TritPacking::five_in_a_byte;
  options.ptqtp_group = 32;
  CHECK_THAT(Converted(small(Weights::packed), options).error, Contains("groups of a multiple of 20 columns"));
  options.ptqtp_group = 40;
  CHECK(Converted(small(Weights::packed), options).record("blocks.0.ffn.up").encoding.group == 40);
  options.ptqtp_group = 72;  // a whole row of most: one group
  CHECK_THAT(Converted(small(Weights::packed), options).error, Contains("'blocks.0.ffn.down'"));
}

TEST_CASE("convert: floats on request, head and embedding apart", "[convert]") {
  ConvertOptions options = with_weights(WeightChoice::f32);
  options.head = WeightChoice::f16;
  options.embed = WeightChoice::bf16;
  const Converted c(small(Weights::packed), options);
  c.check_report();
  CHECK(line_of(*c.report, "blocks.0.attn.q").exact);
  CHECK(c.record("blocks.0.attn.q").encoding.value_type == FloatType::f32);
  CHECK(c.record("head").encoding.value_type == FloatType::f16);
  CHECK(c.record("embed.tokens").encoding.value_type == FloatType::bf16);

  CheckpointSpec tied = small(Weights::dense);
  tied.tied = true;
  CHECK_THAT(Converted(tied, options).error, Contains("tied"));
  options.embed = WeightChoice::automatic;  // follows the head
  CHECK(Converted(tied, options).record("embed.tokens").encoding.value_type == FloatType::f16);
}
