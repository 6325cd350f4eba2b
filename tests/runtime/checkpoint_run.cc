#include "tests/runtime/checkpoint_run.h"

#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>

#include "runtime/session/session.h"
#include "tests/shared_data.h"

namespace tern::test {

namespace fs = std::filesystem;
using nlohmann::json;

void must(const Status& status) {
  INFO(status.message());
  REQUIRE(status.ok());
}

json read_json(const std::string& path) {
  std::ifstream in(path);
  REQUIRE(in.good());
  return json::parse(in);
}

Scratch::Scratch() : path(fs::temp_directory_path() / ("tern-reference-" + std::to_string(getpid()))) {
  fs::create_directories(path);
}

Scratch::~Scratch() { fs::remove_all(path); }

std::string Scratch::checkpoint(const std::vector<std::pair<std::string, std::string>>& files) const {
  const fs::path at = path / "checkpoint";
  fs::remove_all(at);
  fs::create_directories(at);
  for (const auto& [from, to] : files) fs::copy_file(shared_path(from), at / to);
  return at.string();
}

std::shared_ptr<const Model> convert_and_load(const Scratch& scratch, const std::string& source, WeightChoice ends,
                                              ActivationRounding activations, const ImportOptions& import,
                                              WeightChoice weights) {
  auto imported = import_checkpoint(source, import);
  must(imported.status());
  ConvertOptions options;
  options.head = options.embed = ends;
  options.weights = weights;
  const std::string path = (scratch.path / "model.tern").string();
  const auto report = convert(*imported, options, path);
  must(report.status());
  for (const TensorReport& t : report->tensors) {
    INFO(t.name << " as " << t.encoding << ": relative error " << t.relative_error);
    const bool phases = import.fairy2i_stages != 0 && t.encoding.starts_with("phase");
    CHECK((t.exact || (phases && t.relative_error < 0.004)));
  }
  LoadOptions load;
  load.activations = activations;
  load.check_tensors = true;
  auto model = Model::load(path, load);
  must(model.status());
  return *model;
}

std::shared_ptr<const Model> load_f32(const Scratch& scratch, const std::string& source, WeightChoice ends) {
  return convert_and_load(scratch, source, ends, ActivationRounding::f32);
}

std::vector<std::vector<float>> run(const std::shared_ptr<const Model>& model, const std::vector<int32_t>& tokens) {
  SessionOptions options;
  options.key_type = options.value_type = FloatType::f32;
  options.context = static_cast<uint32_t>(tokens.size());
  options.work_per_thread = 0;
  auto session = Session::create(model, options);
  must(session.status());
  const SequenceId id = (*session)->add_sequence().value();
  std::vector<StepToken> step;
  for (int32_t t : tokens) step.push_back({id, t, true});
  must((*session)->step(step));
  std::vector<std::vector<float>> logits;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto row = (*session)->logits(i);
    logits.emplace_back(row.begin(), row.end());
  }
  return logits;
}

double relative_error(const std::vector<float>& logits, const std::vector<double>& expected) {
  REQUIRE(logits.size() == expected.size());
  double difference = 0, largest = 1e-3;
  for (size_t i = 0; i < expected.size(); ++i) {
    difference = std::max(difference, std::fabs(logits[i] - expected[i]));
    largest = std::max(largest, std::fabs(expected[i]));
  }
  return difference / largest;
}

void check_fixture(const std::shared_ptr<const Model>& model, const std::string& logits_json) {
  const json reference = read_json(shared_path(logits_json));
  double worst = 0;
  for (size_t s = 0; s < reference["sequences"].size(); ++s) {
    const auto logits = run(model, reference["sequences"][s]);
    for (size_t t = 0; t < logits.size(); ++t) {
      worst = std::max(worst, relative_error(logits[t], reference["logits"][s][t]));
    }
  }
  INFO("worst relative error " << worst);
  CHECK(worst < 1e-4);
}

}  // namespace tern::test
