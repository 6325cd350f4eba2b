#include "runtime/eval/text_observer.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>

#include "runtime/eval/windows.h"

namespace tern {
namespace {

constexpr uint32_t kMostContext = 2048;

Status observe(std::shared_ptr<const Model> model, std::span<const int32_t> text, const StatisticsOptions& options,
               InputObserver& observer, const ProgressCallback& progress) {
  SessionOptions o;
  o.context = options.context != 0 ? options.context : std::min(model->config().context, kMostContext);
  if (o.context > model->config().context) {
    return invalid_argument(
        fmt::format("windows of {} positions, the model was trained for {}", o.context, model->config().context));
  }
  o.threads = options.threads;
  o.key_type = o.value_type = FloatType::f32;
  o.observer = &observer;
  TERN_ASSIGN(const auto session, Session::create(model, o));
  Session* const sessions[] = {session.get()};
  const auto ignore = [](const ScoredToken&) { return Status(); };
  return run_windows(sessions, text, {o.context, options.bos, 0}, "calibrate", ignore, progress).status();
}

}  // namespace

Status observe_text(std::shared_ptr<const Model> model, std::span<const int32_t> text, const StatisticsOptions& options,
                    InputObserver& observer, const ProgressCallback& progress) {
  try {
    return observe(std::move(model), text, options, observer, progress);
  } catch (const std::bad_alloc&) {
    return out_of_memory("not enough memory for the statistics of the model's inputs");
  }
}

}  // namespace tern
