// PTQTP weighted by the energies of a layer's input columns.
#include <catch2/catch.hpp>
#include <cmath>

#include "formats/encoding/values.h"
#include "formats/import/convert.h"
#include "formats/tern/reader.h"
#include "tests/import/fixtures.h"

using namespace tern;
using namespace tern::test;

namespace {

// Squared error of a converted matrix, columns weighed with their energies.
double weighted_error(const SourceModel& source, const std::string& path, const std::string& name,
                      const std::vector<double>& energies) {
  const auto file = TernFile::open(path).value();
  const uint32_t at = file->find_tensor(name);
  const TensorRecord& t = file->description().tensors[at];
  const auto layout = layout_of(t.encoding, t.rows, t.cols);
  const std::vector<float> original = all_rows(*source.find(name));
  std::vector<float> row(t.cols);
  double error = 0;
  for (uint64_t r = 0; r < t.rows; ++r) {
    decode_row(t.encoding, *layout, t.cols, file->codes(at).data(), file->scales(at).data(), r, row.data(), file->codebook(at));
    for (uint64_t c = 0; c < t.cols; ++c) {
      const double difference = double{original[r * t.cols + c]} - row[c];
      error += energies[c] * difference * difference;
    }
  }
  return error;
}

struct Conversion {
  Checkpoint checkpoint{CheckpointSpec()};
  SourceModel source = checkpoint.import().value();

  Result<ConvertReport> run(const std::string& file, const ColumnEnergies& calibration) const {
    ConvertOptions options;
    options.weights = WeightChoice::ptqtp;
    options.calibration = calibration;
    return convert(source, options, checkpoint.folder.path(file));
  }
};

}  // namespace

TEST_CASE("calibration: columns with much energy are fitted better", "[ptqtp][convert]") {
  const Conversion c;
  const std::string name = "blocks.0.ffn.down";
  std::vector<double> energies(c.source.find(name)->cols);
  for (size_t i = 0; i < energies.size(); i += 128) energies[i] = 0.001;  // one of a group: its weights can be met
  REQUIRE(c.run("plain.tern", {}).ok());
  REQUIRE(c.run("weighted.tern", {{name, energies}}).ok());
  const double plain = weighted_error(c.source, c.checkpoint.folder.path("plain.tern"), name, energies);
  const double weighted = weighted_error(c.source, c.checkpoint.folder.path("weighted.tern"), name, energies);
  CHECK(weighted < 0.05 * plain);
  // The unit of the energies does not matter, nor do layers that are not named.
  for (double& e : energies) e *= 1024;
  REQUIRE(c.run("scaled.tern", {{name, energies}}).ok());
  CHECK(read_file(c.checkpoint.folder.path("scaled.tern")) == read_file(c.checkpoint.folder.path("weighted.tern")));
  const std::vector<double> same(energies.size(), 7);
  CHECK(weighted_error(c.source, c.checkpoint.folder.path("plain.tern"), "blocks.0.ffn.up", same) ==
        weighted_error(c.source, c.checkpoint.folder.path("weighted.tern"), "blocks.0.ffn.up", same));
}

TEST_CASE("calibration: energies that do not belong to the model", "[ptqtp][convert]") {
  const Conversion c;
  const std::string name = "blocks.0.ffn.down";
  const size_t cols = c.source.find(name)->cols;
  const auto refused = [&](std::vector<double> energies) {
    says(c.run("m.tern", {{name, std::move(energies)}}).status().message(), "calibration of 'blocks.0.ffn.down'");
  };
  refused(std::vector<double>(cols - 1, 1));
  std::vector<double> strange(cols, 1);
  strange[3] = -1;
  refused(strange);
  strange[3] = std::nan("");
  refused(strange);
  strange[3] = INFINITY;
  refused(strange);
  CHECK(c.run("m.tern", {{name, std::vector<double>(cols, 0)}}).ok());  // nothing to weigh with
}
