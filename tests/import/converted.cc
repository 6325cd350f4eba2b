#include "tests/import/converted.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>

#include "formats/encoding/values.h"

namespace tern::test {

CheckpointSpec small(Weights weights, Architecture architecture) {
  CheckpointSpec s;
  s.hidden = 72;
  s.ffn = 100;
  s.heads = 6;
  s.kv_heads = 2;
  s.vocab = 37;
  s.weights = weights;
  s.architecture = architecture;
  return s;
}

Converted::Converted(const CheckpointSpec& spec, const ConvertOptions& options) {
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

const TensorRecord& Converted::record(const std::string& name) const {
  const uint32_t i = file->find_tensor(name);
  REQUIRE(i != kNoTensor);
  return file->description().tensors[i];
}

std::vector<float> Converted::stored(const std::string& name) const {
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

std::vector<float> Converted::original(const std::string& name) const {
  const SourceMatrix* m = source->find(name);
  std::vector<float> values(m->rows * m->cols);
  REQUIRE(m->read_rows(0, m->rows, values).ok());
  return values;
}

const InputRecord& Converted::input(const std::string& name) const {
  for (const InputRecord& record : file->description().inputs) {
    if (record.name == name) return record;
  }
  FAIL("no input " << name);
  std::abort();
}

Tap Converted::tap(const std::string& linear) const {
  for (const LinearRecord& record : file->description().linears) {
    if (record.name == linear) return record.terms.at(0).tap;
  }
  FAIL("no linear " << linear);
  std::abort();
}

void Converted::check_report() const {
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

}  // namespace tern::test
