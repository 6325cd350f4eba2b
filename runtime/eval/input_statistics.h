// What the linear layers of a model read when it reads a text: the mean square of every input column, which is the
// diagonal of the Hessian of a layer's squared output error. Quantizers weigh their errors with it (formats/quantize).
// Sums are made in double in the order of the text: the same bits with any number of threads.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "runtime/eval/text_observer.h"

namespace tern {

struct InputStatistics {
  uint64_t tokens = 0;                                     // read, BOS included
  std::map<std::string, std::vector<double>> mean_square;  // by linear layer: one value a column
};

// Memory: one double a column of every layer, and a session.
// progress: in tokens of the text.
Result<InputStatistics> input_statistics(std::shared_ptr<const Model> model, std::span<const int32_t> text,
                                         const StatisticsOptions& options, const ProgressCallback& progress = {});

}  // namespace tern
