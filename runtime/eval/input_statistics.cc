#include "runtime/eval/input_statistics.h"

#include <fmt/format.h>

#include <cmath>
#include <unordered_map>

#include "runtime/model/parts.h"

namespace tern {
namespace {

class SquareSums final : public InputObserver {
 public:
  explicit SquareSums(const Model::Parts& model) {
    const auto add = [&](const LinearPlan& linear) { sums_[&linear].resize(linear.cols); };
    model.for_each_linear(add);
  }

  void see(const LinearPlan& linear, const float* x, uint64_t stride, uint64_t tokens,
           ThreadTeam::Member::Range columns) override {
    std::vector<double>& sums = sums_.find(&linear)->second;
    if (linear.name == "head" && columns.begin == 0) tokens_ += tokens;
    for (uint64_t t = 0; t < tokens; ++t) {
      const float* row = x + t * stride;
      for (uint64_t c = columns.begin; c < columns.end; ++c) sums[c] += static_cast<double>(row[c]) * row[c];
    }
  }

  Result<InputStatistics> statistics() const {
    InputStatistics result;
    result.tokens = tokens_;
    for (const auto& [linear, sums] : sums_) {
      std::vector<double>& means = result.mean_square[linear->name];
      for (const double sum : sums) {
        if (!std::isfinite(sum)) return corrupt(fmt::format("the inputs of layer '{}' are not finite", linear->name));
        means.push_back(sum / static_cast<double>(tokens_));
      }
    }
    return result;
  }

 private:
  std::unordered_map<const LinearPlan*, std::vector<double>> sums_;
  uint64_t tokens_ = 0;
};

}  // namespace

Result<InputStatistics> input_statistics(std::shared_ptr<const Model> model, std::span<const int32_t> text,
                                         const StatisticsOptions& options, const ProgressCallback& progress) {
  SquareSums sums(model->parts());
  TERN_TRY(observe_text(std::move(model), text, options, sums, progress));
  return sums.statistics();
}

}  // namespace tern
