// A synthetic checkpoint, imported and converted, and what the file holds beside what the checkpoint does.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "formats/import/convert.h"
#include "formats/tern/reader.h"
#include "tests/import/fixtures.h"
#include "tests/tools/checkpoint_writer.h"

namespace tern::test {

using Architecture = CheckpointSpec::Architecture;
using Weights = CheckpointSpec::Weights;

// Sides that are no multiples of the group of 64, of 16 rows, of 16 columns.
CheckpointSpec small(Weights weights, Architecture architecture = Architecture::llama);

ConvertOptions with_weights(WeightChoice choice);

const TensorReport& line_of(const ConvertReport& report, const std::string& name);

struct Converted {
  TemporaryFolder folder;
  std::optional<SourceModel> source;
  std::optional<ConvertReport> report;  // none if the conversion failed, with this error
  std::shared_ptr<const TernFile> file;
  std::string error;

  explicit Converted(const CheckpointSpec& spec, const ConvertOptions& options = {});

  const TensorRecord& record(const std::string& name) const;
  std::vector<float> stored(const std::string& name) const;
  std::vector<float> original(const std::string& name) const;
  const InputRecord& input(const std::string& name) const;
  Tap tap(const std::string& linear) const;

  // Every line of the report against a measurement of its own.
  void check_report() const;
};

}  // namespace tern::test
