// From synthetic checkpoints to .tern files and back: what is stored decodes to the source's values, the report says
// what was lost, and nothing is left behind when a conversion fails.
#include "formats/import/convert.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "formats/encoding/values.h"
#include "formats/quantize/round_to_nearest.h"
#include "formats/tern/reader.h"
#include "tests/import/fixtures.h"
#include "tests/tools/checkpoint_writer.h"

using namespace tern;
using namespace tern::test;
using Catch::Matchers::Contains;
using Architecture = CheckpointSpec::Architecture;
using Weights = CheckpointSpec::Weights;

namespace {

CheckpointSpec small(Weights weights, Architecture architecture = Architecture::llama) {
  CheckpointSpec s;
  s.hidden = 72;  // no multiple of the group of 64, of 16 rows, of 16 columns
  s.ffn = 100;
  s.heads = 6;
  s.kv_heads = 2;
  s.vocab = 37;
  s.weights = weights;
  s.architecture = architecture;
  return s;
}

struct Converted {
  TemporaryFolder folder;
  std::optional<SourceModel> source;
  std::optional<ConvertReport> report;
  std::shared_ptr<const TernFile> file;
  std::string error;

  explicit Converted(const CheckpointSpec& spec, const ConvertOptions& options = {}) {
    REQUIRE(write_checkpoint(folder.path("hf"), spec).ok());
    auto model = import_checkpoint(folder.path("hf"), {});
    INFO(model.status().message());
    REQUIRE(model.ok());
    source = std::move(model).value();
    auto result = convert(*source, options, folder.path("m.tern"));
    error = result.status().message();
    if (!result.ok()) return;
    report = std::move(result).value();
    auto opened = TernFile::open(folder.path("m.tern"));
    INFO(opened.status().message());
    REQUIRE(opened.ok());
    file = *opened;
    CHECK(file->verify_payload().message() == "");
    CHECK(file->file_bytes() == report->file_bytes);
  }

  const TensorRecord& record(const std::string& name) const {
    const uint32_t i = file->find_tensor(name);
    REQUIRE(i != kNoTensor);
    return file->description().tensors[i];
  }
  std::vector<float> stored(const std::string& name) const {
    const TensorRecord& t = record(name);
    const uint32_t i = file->find_tensor(name);
    const auto layout = layout_of(t.encoding, t.rows, t.cols);
    std::vector<float> values(t.rows * t.cols);
    for (uint64_t r = 0; r < t.rows; ++r) {
      decode_row(t.encoding, *layout, t.cols, file->codes(i).data(), file->scales(i).data(), r, &values[r * t.cols],
                 file->codebook(i));
    }
    return values;
  }
  std::vector<float> original(const std::string& name) const {
    const SourceMatrix* m = source->find(name);
    std::vector<float> values(m->rows * m->cols);
    REQUIRE(m->read_rows(0, m->rows, values).ok());
    return values;
  }
  const InputRecord& input(const std::string& name) const {
    for (const InputRecord& record : file->description().inputs) {
      if (record.name == name) return record;
    }
    FAIL("no input " << name);
    std::abort();
  }
  Tap tap(const std::string& linear) const {
    for (const LinearRecord& record : file->description().linears) {
      if (record.name == linear) return record.terms.at(0).tap;
    }
    FAIL("no linear " << linear);
    std::abort();
  }

  // Every line of the report against a measurement of its own.
  void check_report() const {
    REQUIRE(report->tensors.size() == source->matrices.size());
    for (const TensorReport& line : report->tensors) {
      const auto a = original(line.name), b = stored(line.name);
      double error = 0, norm = 0;
      for (size_t i = 0; i < a.size(); ++i) {
        error += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
        norm += double{a[i]} * a[i];
      }
      INFO(line.name << " " << line.encoding);
      CHECK(line.exact == (a == b));
      CHECK(line.relative_error == Approx(std::sqrt(error / norm)).margin(1e-12));
      CHECK(line.encoding == describe(record(line.name).encoding));
      uint64_t bytes = record(line.name).codes.bytes + record(line.name).scales.bytes;
      if (const uint32_t at = record(line.name).codebook; at != kNoTensor)
        bytes += file->description().tensors[at].codes.bytes + file->description().tensors[at].scales.bytes;
      CHECK(line.bytes == bytes);
    }
  }
};

const TensorReport& line_of(const ConvertReport& report, const std::string& name) {
  for (const TensorReport& line : report.tensors) {
    if (line.name == name) return line;
  }
  FAIL("no line for " << name);
  std::abort();
}

ConvertOptions with_weights(WeightChoice choice) {
  ConvertOptions options;
  options.weights = choice;
  return options;
}

}  // namespace

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

TEST_CASE("convert: --act f32 stores no rounding", "[convert]") {
  ConvertOptions options;
  options.f32_activations = true;
  const Converted c(small(Weights::packed), options);
  for (const InputRecord& input : c.file->description().inputs) CHECK(input.ops.empty());
  CHECK(c.tap("blocks.0.attn.q") == Tap::raw);
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

TEST_CASE("convert: matrices wider and longer than a block of the packer", "[convert]") {
  CheckpointSpec spec = small(Weights::packed);
  spec.hidden = 1024;
  spec.heads = 16;
  spec.vocab = 2500;  // three blocks of 1024 rows
  spec.layers = 1;
  const Converted c(spec);
  c.check_report();
}

TEST_CASE("convert: values beyond f16", "[convert]") {
  CheckpointSpec spec = small(Weights::dense);
  TemporaryFolder folder;
  REQUIRE(write_checkpoint(folder.path("hf"), spec).ok());
  auto tensors = decode_safetensors(read_file(folder.path("hf/model.safetensors")));
  const uint16_t large = 0x4780;  // bf16 65536
  std::memcpy(tensors.at("model.layers.1.mlp.up_proj.weight").data.data(), &large, 2);
  write_file(folder.path("hf/model.safetensors"), encode_safetensors(tensors));
  const auto source = import_checkpoint(folder.path("hf"), {});
  REQUIRE(source.ok());
  const auto result = convert(*source, with_weights(WeightChoice::f16), folder.path("m.tern"));
  CHECK_THAT(result.status().message(), Contains("blocks.1.ffn.up") && Contains("f16"));
  CHECK(folder.files() == std::vector<std::string>{"hf"});
  CHECK(convert(*source, with_weights(WeightChoice::f32), folder.path("m.tern")).ok());
}

TEST_CASE("convert: nothing is left when it fails", "[convert]") {
  TemporaryFolder folder;
  REQUIRE(write_checkpoint(folder.path("hf"), small(Weights::dense)).ok());
  const auto convert_it = [&](const ProgressCallback& progress) {
    auto source = import_checkpoint(folder.path("hf"), {});
    REQUIRE(source.ok());
    return convert(*source, {}, folder.path("m.tern"), progress).status();
  };
  int calls = 0;
  uint64_t last = 0;
  REQUIRE(convert_it([&](const Progress& p) {
            ++calls;
            CHECK(p.done >= last);
            last = p.done;
            if (p.total != 0) CHECK(p.done <= p.total);
            return true;
          }).ok());
  std::filesystem::remove(folder.path("m.tern"));

  SECTION("stopped at any moment") {
    for (int stop = 1; stop <= calls; stop += 3) {
      int call = 0;
      const Status status = convert_it([&](const Progress&) { return ++call < stop; });
      CHECK(status.code() == Code::aborted);
      CHECK(folder.files() == std::vector<std::string>{"hf"});
    }
  }
  SECTION("a NaN in the last tensor") {
    auto tensors = decode_safetensors(read_file(folder.path("hf/model.safetensors")));
    std::string& data = tensors.at("lm_head.weight").data;
    const uint16_t nan = 0x7fc1;
    std::memcpy(data.data() + data.size() - 2, &nan, 2);
    write_file(folder.path("hf/model.safetensors"), encode_safetensors(tensors));
    const Status status = convert_it({});
    CHECK_THAT(status.message(), Contains("lm_head.weight") && Contains("NaN") && Contains("row 36, column 71"));
    CHECK(folder.files() == std::vector<std::string>{"hf"});
  }
  SECTION("an earlier file of that name survives") {
    write_file(folder.path("m.tern"), "earlier");
    CHECK_FALSE(convert_it([](const Progress& p) { return p.done < 1000; }).ok());
    CHECK(read_file(folder.path("m.tern")) == "earlier");
    CHECK(folder.files() == std::vector<std::string>{"hf", "m.tern"});
  }
}
