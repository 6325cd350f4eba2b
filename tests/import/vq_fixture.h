// A converted checkpoint whose layers are quantized to vectors, and the Hessians of what its layers read.
#pragma once

#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "formats/encoding/values.h"
#include "formats/import/convert.h"
#include "formats/quantize/hessian_factor.h"
#include "formats/tern/reader.h"
#include "tests/import/fixtures.h"

namespace tern::test {

inline const std::string kVqLayer = "blocks.0.ffn.down";

// Sums of products of columns that resemble each other.
inline std::vector<double> made_hessian(uint64_t cols, uint64_t seed) {
  Random random(seed);
  std::vector<double> triangle(cols * (cols + 1) / 2);
  std::vector<double> x(cols);
  for (int token = 0; token < 200; ++token) {
    double common = random.normal();
    for (uint64_t c = 0; c < cols; ++c) x[c] = common = 0.8 * common + 0.5 * random.normal() * (1 + c % 5);
    for (uint64_t i = 0, at = 0; i < cols; ++i)
      for (uint64_t j = 0; j <= i; ++j) triangle[at++] += x[i] * x[j];
  }
  return triangle;
}

struct VqConversion {
  Checkpoint checkpoint{CheckpointSpec()};
  SourceModel source = checkpoint.import().value();
  std::map<uint64_t, std::vector<double>> hessians;
  ConvertOptions options;

  VqConversion() {
    options.weights = WeightChoice::vq;
    options.vq.bits = 5;
    for (const auto& m : source.matrices) {
      if (m->rows == 1) continue;
      if (hessians.count(m->cols) == 0) hessians[m->cols] = made_hessian(m->cols, m->cols);
      options.hessians[m->name] = hessians[m->cols];
    }
  }

  ConvertReport report(const std::string& file) const {
    auto report = convert(source, options, checkpoint.folder.path(file));
    INFO(report.status().message());
    REQUIRE(report.ok());
    return std::move(report).value();
  }
  std::string run(const std::string& file) const {
    report(file);
    return read_file(checkpoint.folder.path(file));
  }
  std::string refusal() const { return convert(source, options, checkpoint.folder.path("no.tern")).status().message(); }

  // trace of E H E^T of the layer in a file.
  double loss(const std::string& file) const {
    const auto found = TernFile::open(checkpoint.folder.path(file)).value();
    const uint32_t at = found->find_tensor(kVqLayer);
    const TensorRecord& t = found->description().tensors[at];
    const auto layout = layout_of(t.encoding, t.rows, t.cols);
    const std::vector<float> original = all_rows(*source.find(kVqLayer));
    const HessianFactor r = HessianFactor::create(options.hessians.at(kVqLayer)).value();
    std::vector<float> row(t.cols);
    double sum = 0;
    for (uint64_t i = 0; i < t.rows; ++i) {
      decode_row(t.encoding, *layout, t.cols, found->codes(at).data(), found->scales(at).data(), i, row.data(),
                 found->codebook(at));
      for (uint64_t k = 0; k < t.cols; ++k) {
        double z = 0;
        for (uint64_t j = 0; j <= k; ++j) z += (double{original[i * t.cols + j]} - row[j]) * r.row(j)[k];
        sum += z * z;
      }
    }
    return sum;
  }
};

}  // namespace tern::test
