// Fairy2i from checkpoint to file: what becomes phases, what stays dense, what is refused.
#include "formats/import/fairy2i.h"

#include <omp.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "base/half.h"
#include "tests/import/converted_phases.h"

using namespace tern;
using namespace tern::test;
using Architecture = CheckpointSpec::Architecture;

namespace {

Checkpoint fairy2i_masters(unsigned stages, bool tied = true) {
  CheckpointSpec s = phase_shape(Architecture::llama);
  s.tied = tied;
  Checkpoint c(s);
  c.options.fairy2i_stages = stages;
  return c;
}

}  // namespace

TEST_CASE("fairy2i: masters of every variant become phases, less only the rounding to bf16") {
  for (unsigned stages = 1; stages <= kMaxPhaseStages; ++stages) {
    const ConvertedPhases c(fairy2i_masters(stages));
    for (const TensorReport& t : c.report.tensors) {
      INFO(t.name);
      if (t.name.starts_with("blocks.")) CHECK(t.relative_error < 0.004);
    }
    const Encoding& e = c.encoding(kPhaseLayer);
    CHECK(e.kind == EncodingKind::phase);
    CHECK(e.planes == stages);
    CHECK(e.bits == 2);
    CHECK(e.scope == ScaleScope::tensor);
    CHECK(c.encoding("embed.tokens").kind == EncodingKind::int_);
    const auto& input = c.file->description().inputs.at(0);
    REQUIRE(input.ops.size() == 1);
    CHECK(input.ops[0].scope == ScaleScope::group);
    CHECK(input.ops[0].group == 36);  // half of the 72 columns
  }
}

TEST_CASE("fairy2i: the same checkpoint, dense: what the publisher makes of the codes") {
  ConvertOptions dense;
  dense.weights = WeightChoice::bf16;
  const Checkpoint checkpoint = fairy2i_masters(2);
  const ConvertedPhases converted(checkpoint, dense);
  CHECK(converted.line(kPhaseLayer).exact);
  const auto rebuilt = converted.stored(kPhaseLayer), codes = ConvertedPhases(checkpoint).stored(kPhaseLayer);
  float largest = 0, difference = 0;
  for (size_t i = 0; i < codes.size(); ++i) {
    largest = std::max(largest, std::abs(codes[i]));
    difference = std::max(difference, std::abs(codes[i] - rebuilt[i]));
  }
  CHECK(difference > 0);
  CHECK(difference <= 0x1p-7f * largest);
}

TEST_CASE("fairy2i: a model saved after it was quantized gives the same codes, a damaged one is refused") {
  for (unsigned stages = 1; stages <= 2; ++stages) {
    const Checkpoint masters = fairy2i_masters(stages);
    Checkpoint saved = fairy2i_masters(stages);
    ConvertOptions dense;
    dense.weights = WeightChoice::bf16;
    const ConvertedPhases rebuilt(masters, dense);
    for (auto& entry : saved.tensors) {
      const std::string& name = entry.first;
      if (!name.ends_with("_proj.weight")) continue;
      const auto& all = rebuilt.file->description().tensors;
      const auto record = std::find_if(all.begin(), all.end(), [&](const auto& t) { return t.source_name == name; });
      const std::vector<float> values = rebuilt.stored(record->name);
      for (size_t i = 0; i < values.size(); ++i) set_value(entry.second, i, f32_to_bf16(values[i]));
    }
    says(saved.import()->convention, "0 layers from masters, 14 saved quantized");
    CHECK(ConvertedPhases(saved).stored(kPhaseLayer) == ConvertedPhases(masters).stored(kPhaseLayer));
    set_value(saved.tensors.at("model.layers.0.mlp.down_proj.weight"), 100 * 3 + 1, 0x3f80);
    says(saved.error(), "'model.layers.0.mlp.down_proj.weight' holds sums of");
    says(saved.error(), "1 of its 1800 numbers are not of them, the first in row 3");
  }
}

TEST_CASE("fairy2i: the head is what the user says") {
  Checkpoint untied = fairy2i_masters(2, false);
  says(untied.error(), "--fairy2i-head");
  untied.options.fairy2i_head = false;
  CHECK(ConvertedPhases(untied).encoding("head").kind == EncodingKind::int_);
  untied.options.fairy2i_head = true;
  const ConvertedPhases quantized(untied);
  CHECK(quantized.encoding("head").kind == EncodingKind::int_);  // 41 rows: no phases

  CheckpointSpec even = phase_shape(Architecture::llama);
  even.vocab = 42, even.tied = true;
  Checkpoint tied(even);
  tied.options.fairy2i_stages = 2;
  tied.options.fairy2i_head = true;
  const ConvertedPhases apart(tied);
  CHECK(apart.encoding("head").kind == EncodingKind::phase);
  CHECK(apart.line("head").relative_error < 0.004);
  CHECK(apart.encoding("embed.tokens").kind == EncodingKind::int_);
}

TEST_CASE("fairy2i: layers with an odd side stay dense") {
  CheckpointSpec s = phase_shape(Architecture::llama);
  s.ffn = 99;
  s.tied = true;
  Checkpoint odd(s);
  odd.options.fairy2i_stages = 2;
  ConvertOptions post;
  post.weights = WeightChoice::fairy2i;
  const ConvertedPhases imported(odd);
  odd.options.fairy2i_stages = 0;
  const ConvertedPhases quantized(odd, post);
  for (const ConvertedPhases* c : {&imported, &quantized}) {
    CHECK(c->encoding("blocks.0.ffn.gate").kind == EncodingKind::dense);
    CHECK(c->encoding("blocks.0.ffn.gate").value_type == FloatType::bf16);
    CHECK(c->encoding("blocks.0.ffn.down").kind == EncodingKind::dense);
    CHECK(c->line("blocks.0.ffn.down").exact);
    CHECK(c->encoding("blocks.0.attn.o").kind == EncodingKind::phase);
  }
}

TEST_CASE("fairy2i: contradictions and damage are refused by name") {
  Checkpoint nan = fairy2i_masters(2);
  set_value(nan.tensors.at("model.layers.1.mlp.up_proj.weight"), 7 * 72 + 3, 0x7fc0);
  says(nan.error(), "'model.layers.1.mlp.up_proj.weight' holds NaN at row 7, column 3");
  Checkpoint infinite = fairy2i_masters(2);
  set_value(infinite.tensors.at("model.layers.0.self_attn.o_proj.weight"), 72 * 72 - 1, 0xff80);
  says(infinite.error(), "holds infinity at row 71, column 71");
  Checkpoint wrong = fairy2i_masters(2);
  wrong.tensors.at("model.layers.0.self_attn.q_proj.weight").shape = {36, 144};
  says(wrong.error(), "'model.layers.0.self_attn.q_proj.weight'");
  Checkpoint bitnet(phase_shape(Architecture::bitnet));
  bitnet.options.fairy2i_stages = 2;
  says(bitnet.error(), "contradicts Fairy2i's convention");
  Checkpoint ifairy(phase_shape(Architecture::ifairy));
  ifairy.options.fairy2i_stages = 1;
  says(ifairy.error(), "contradicts Fairy2i's convention");
}

TEST_CASE("fairy2i: sums beyond the range of floats are refused, not stored") {
  Checkpoint huge = fairy2i_masters(2);
  PlainTensor& q = huge.tensors.at("model.layers.0.self_attn.q_proj.weight");
  set_value(q, 0, 0x7f7f);             // the largest bf16
  set_value(q, 36 * 72 + 36, 0x7f7f);  // what it is added to
  const auto source = huge.import();
  REQUIRE(source.ok());
  const TemporaryFolder folder;
  const auto report = convert(*source, {}, folder.path("m.tern"));
  REQUIRE_FALSE(report.ok());
  says(report.status().message(), "blocks.0.attn.q");
}

TEST_CASE("fairy2i: any model, by stages, regions and options") {
  CheckpointSpec spec = phase_shape(Architecture::qwen2);
  spec.hidden = 144, spec.ffn = 260;
  const Checkpoint checkpoint(spec);
  ConvertOptions options;
  options.weights = WeightChoice::fairy2i;
  double before = 1;
  for (unsigned stages = 1; stages <= kMaxPhaseStages; ++stages) {
    options.fairy2i.stages = stages;
    const double error = ConvertedPhases(checkpoint, options).line(kPhaseLayer).relative_error;
    CHECK(error < before);
    before = error;
  }
  options.fairy2i.stages = 2;
  const ConvertedPhases plain(checkpoint, options);
  CHECK(plain.encoding("blocks.0.ffn.down").scale_type == FloatType::f32);
  CHECK_FALSE(plain.line(kPhaseLayer).exact);
  for (const PhaseRegion region : {PhaseRegion::row, PhaseRegion::tile}) {
    options.fairy2i_scales = region;
    const ConvertedPhases finer(checkpoint, options);
    CHECK(finer.line(kPhaseLayer).relative_error < plain.line(kPhaseLayer).relative_error);
    CHECK(finer.encoding(kPhaseLayer).scope == (region == PhaseRegion::row ? ScaleScope::row : ScaleScope::tile));
    CHECK(finer.encoding(kPhaseLayer).scale_type == FloatType::f16);
  }
  CHECK(ConvertedPhases(checkpoint, options).encoding("blocks.0.ffn.down").group == 26);  // 130 columns: 5 x 26
  options.fairy2i.joint = options.fairy2i.refit = true;
  for (const PhaseRegion region : {PhaseRegion::tensor, PhaseRegion::row, PhaseRegion::tile}) {
    options.fairy2i_scales = region;
    CHECK(ConvertedPhases(checkpoint, options).line(kPhaseLayer).relative_error <
          plain.line(kPhaseLayer).relative_error - 0.01);
  }
}

TEST_CASE("fairy2i: what an f32 mean could change is counted") {
  Checkpoint c = fairy2i_masters(2);
  PlainTensor& q = c.tensors.at("model.layers.0.self_attn.q_proj.weight");
  // U is 1 and 1 + 2^-7 in turn, W is 0: the mean is the middle between two bf16 numbers.
  for (uint64_t r = 0; r < 72; ++r) {
    for (uint64_t col = 0; col < 72; ++col) {
      const bool diagonal = (r < 36) == (col < 36);
      set_value(q, r * 72 + col, !diagonal ? 0 : col % 2 == 0 ? 0x3f80 : 0x3f81);
    }
  }
  for (const PhaseRegion region : {PhaseRegion::tensor, PhaseRegion::row, PhaseRegion::tile}) {
    c.options.fairy2i_scales = region;
    const TensorReport line = ConvertedPhases(c).line("blocks.0.attn.q");
    CHECK(line.doubtful_scales >= (region == PhaseRegion::row ? 36 : 1));
    CHECK(line.doubtful_codes >= 36 * 36 / 2);  // the second stage of every 1 has another sign
  }
  c.options.fairy2i_scales = PhaseRegion::tensor;
  CHECK(ConvertedPhases(c).line("blocks.1.attn.q").doubtful_scales == 0);
}

TEST_CASE("fairy2i: threads change nothing") {
  const Checkpoint checkpoint(phase_shape(Architecture::llama));
  ConvertOptions options;
  options.weights = WeightChoice::fairy2i;
  options.fairy2i.refit = true;
  const int usual = omp_get_max_threads();
  for (const PhaseRegion region : {PhaseRegion::tensor, PhaseRegion::tile}) {
    options.fairy2i_scales = region;
    std::vector<std::string> bytes;
    for (const int threads : {1, 2, 3}) {
      omp_set_num_threads(threads);
      const ConvertedPhases c(checkpoint, options);
      bytes.push_back(read_file(c.folder.path("m.tern")));
    }
    CHECK(bytes[0] == bytes[1]);
    CHECK(bytes[0] == bytes[2]);
  }
  omp_set_num_threads(usual);
}
