// Two checkpoints that should be one model: imported, converted, run on the same tokens. Prints the largest difference
// of their logits relative to the largest logit of the position. For tests/import/vector_layers.
//
// usage: compare_checkpoints A B SCRATCH.tern
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "formats/import/convert.h"
#include "runtime/session/session.h"

namespace tern {
namespace {

constexpr uint32_t kTokens = 12;

Result<std::vector<float>> logits_of(const std::string& checkpoint, const std::string& scratch) {
  TERN_ASSIGN(const SourceModel source, import_checkpoint(checkpoint, {}));
  ConvertOptions options;
  options.f32_activations = true;
  TERN_TRY(convert(source, options, scratch).status());
  TERN_ASSIGN(const auto model, Model::load(scratch));
  SessionOptions session_options;
  session_options.key_type = session_options.value_type = FloatType::f32;
  session_options.threads = 2;
  session_options.work_per_thread = 0;
  TERN_ASSIGN(const auto session, Session::create(model, session_options));
  TERN_ASSIGN(const SequenceId id, session->add_sequence());
  std::vector<StepToken> step;
  for (uint32_t i = 0; i < kTokens; ++i) {
    step.push_back({id, static_cast<int32_t>(i * 7 % model->config().vocab_size), true});
  }
  TERN_TRY(session->step(step));
  std::vector<float> logits;
  for (uint32_t i = 0; i < kTokens; ++i) {
    logits.insert(logits.end(), session->logits(i).begin(), session->logits(i).end());
  }
  return logits;
}

Status compare(const std::string& a, const std::string& b, const std::string& scratch) {
  TERN_ASSIGN(const std::vector<float> x, logits_of(a, scratch));
  TERN_ASSIGN(const std::vector<float> y, logits_of(b, scratch));
  if (x.size() != y.size()) return corrupt("the vocabularies differ");
  const size_t width = x.size() / kTokens;
  double worst = 0;
  for (size_t t = 0; t < kTokens; ++t) {
    double difference = 0, largest = 0;
    for (size_t i = t * width; i < (t + 1) * width; ++i) {
      difference = std::max(difference, std::fabs(static_cast<double>(x[i]) - y[i]));
      largest = std::max(largest, std::fabs(static_cast<double>(y[i])));
    }
    worst = std::max(worst, difference / largest);
  }
  fmt::print("{}\n", worst);
  return {};
}

}  // namespace
}  // namespace tern

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const tern::Status status = tern::compare(argv[1], argv[2], argv[3]);
  if (status.ok()) return 0;
  fmt::print(stderr, "{}\n", status.message());
  return 1;
}
