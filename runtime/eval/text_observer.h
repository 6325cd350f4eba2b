// Runs a model over a text for what its linear layers read on the way: the text is cut into windows without overlap
// (windows.h), whose last token predicts nothing and is not read. The cache is f32.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/progress.h"
#include "runtime/model/block.h"
#include "runtime/session/session.h"

namespace tern {

struct StatisticsOptions {
  uint32_t context = 0;  // positions of a window, BOS included; 0: the model's, at most 2048
  int32_t bos = -1;      // token that begins each window; -1: none
  unsigned threads = 0;  // 0: physical cores
};

// progress: in tokens of the text.
Status observe_text(std::shared_ptr<const Model> model, std::span<const int32_t> text, const StatisticsOptions& options,
                    InputObserver& observer, const ProgressCallback& progress);

}  // namespace tern
