#include "runtime/eval/input_statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <unordered_map>

#include "runtime/model/block.h"

namespace tern {
namespace {

constexpr uint32_t kStepTokens = 64, kMostContext = 2048;

class SquareSums final : public InputObserver {
 public:
  explicit SquareSums(const Model::Parts& model) {
    const auto add = [&](const LinearPlan& linear) { sums_[&linear].resize(linear.weight.cols); };
    model.for_each_linear(add);
  }

  void see(const LinearPlan& linear, const float* x, uint64_t stride, uint64_t tokens,
           ThreadTeam::Member::Range columns) override {
    std::vector<double>& sums = sums_.find(&linear)->second;
    for (uint64_t t = 0; t < tokens; ++t) {
      const float* row = x + t * stride;
      for (uint64_t c = columns.begin; c < columns.end; ++c) sums[c] += static_cast<double>(row[c]) * row[c];
    }
  }

  Result<InputStatistics> statistics(uint64_t tokens) const {
    InputStatistics result;
    result.tokens = tokens;
    for (const auto& [linear, sums] : sums_) {
      std::vector<double>& means = result.mean_square[linear->name];
      for (const double sum : sums) {
        if (!std::isfinite(sum)) return corrupt(fmt::format("the inputs of layer '{}' are not finite", linear->name));
        means.push_back(sum / static_cast<double>(tokens));
      }
    }
    return result;
  }

 private:
  std::unordered_map<const LinearPlan*, std::vector<double>> sums_;
};

// Feeds one window; `before`: tokens of the text that came earlier.
Status read_window(Session& session, std::span<const int32_t> window, size_t before, size_t text_size,
                   const ProgressCallback& progress) {
  TERN_ASSIGN(const SequenceId sequence, session.add_sequence());
  std::vector<StepToken> step;
  for (size_t at = 0; at < window.size(); at += kStepTokens) {
    step.clear();
    for (const int32_t token : window.subspan(at, std::min<size_t>(kStepTokens, window.size() - at)))
      step.push_back({sequence, token, true});  // the head's input is wanted too
    TERN_TRY(session.step(step));
    if (progress && !progress({"calibrate", std::min(text_size, before + at + step.size()), text_size}))
      return aborted("stopped by the caller");
  }
  return session.remove(sequence);
}

Result<InputStatistics> collect(std::shared_ptr<const Model> model, std::span<const int32_t> text,
                                const StatisticsOptions& options, const ProgressCallback& progress) {
  const uint32_t known = model->config().context;
  const uint32_t context = options.context != 0 ? options.context : std::min(known, kMostContext);
  const size_t room = options.bos >= 0 ? context - 1 : context;
  if (room == 0 || context > known)
    return invalid_argument(fmt::format("windows of {} positions, expected 2 to {}", context, known));
  if (text.empty()) return invalid_argument("the calibration text has no tokens");

  SquareSums sums(model->parts());
  SessionOptions o;
  o.context = context, o.threads = options.threads, o.batch = kStepTokens;
  o.key_type = o.value_type = FloatType::f32;
  o.observer = &sums;
  TERN_ASSIGN(const auto session, Session::create(model, o));
  uint64_t tokens = 0;
  std::vector<int32_t> window;
  for (size_t at = 0; at < text.size(); at += room) {
    const auto part = text.subspan(at, std::min(room, text.size() - at));
    window.assign(options.bos >= 0 ? 1 : 0, options.bos);
    window.insert(window.end(), part.begin(), part.end());
    TERN_TRY(read_window(*session, window, at, text.size(), progress));
    tokens += window.size();
  }
  return sums.statistics(tokens);
}

}  // namespace

Result<InputStatistics> input_statistics(std::shared_ptr<const Model> model, std::span<const int32_t> text,
                                         const StatisticsOptions& options, const ProgressCallback& progress) {
  try {
    return collect(std::move(model), text, options, progress);
  } catch (const std::bad_alloc&) {
    return out_of_memory("not enough memory for the statistics of the model's inputs");
  }
}

}  // namespace tern
