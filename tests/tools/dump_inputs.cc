// dump_inputs MODEL ACTIVATIONS ID... > what every linear layer reads when the tokens run through the model, before
// rounding: a line "name tokens columns", then tokens x columns float32; last "logits tokens vocabulary". ACTIVATIONS:
// f32 or file. The cache is f32. What tests/runtime/ifairy_oracle.py compares with its own.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "runtime/model/block.h"
#include "runtime/session/session.h"

namespace {

class Printer final : public tern::InputObserver {
 public:
  void see(const tern::LinearPlan& linear, const float* x, uint64_t stride, uint64_t tokens,
           tern::ThreadTeam::Member::Range columns) override {
    fmt::print("{} {} {}\n", linear.name, tokens, columns.end);
    for (uint64_t t = 0; t < tokens; ++t) std::fwrite(x + t * stride, sizeof(float), columns.end, stdout);
  }
};

tern::Status run(const char* path, bool f32, const std::vector<int32_t>& ids) {
  tern::LoadOptions load;
  if (f32) load.activations = tern::ActivationRounding::f32;
  TERN_ASSIGN(const auto model, tern::Model::load(path, load));
  Printer printer;
  tern::SessionOptions options;
  options.threads = 1;
  options.key_type = options.value_type = tern::FloatType::f32;
  options.observer = &printer;
  TERN_ASSIGN(const auto session, tern::Session::create(model, options));
  TERN_ASSIGN(const tern::SequenceId sequence, session->add_sequence());
  std::vector<tern::StepToken> step;
  for (const int32_t id : ids) step.push_back({sequence, id, true});
  TERN_TRY(session->step(step));
  fmt::print("logits {} {}\n", ids.size(), model->config().vocab_size);
  for (size_t i = 0; i < ids.size(); ++i)
    std::fwrite(session->logits(i).data(), sizeof(float), session->logits(i).size(), stdout);
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  std::vector<int32_t> ids;
  for (int i = 3; i < argc; ++i) ids.push_back(std::atoi(argv[i]));
  const tern::Status status = run(argv[1], std::strcmp(argv[2], "f32") == 0, ids);
  if (status.ok()) return 0;
  fmt::print(stderr, "dump_inputs: {}\n", status.message());
  return 1;
}
