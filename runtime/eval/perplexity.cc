#include "runtime/eval/perplexity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <vector>

#include "base/math.h"

namespace tern {
namespace {

constexpr size_t kStep = 128;  // tokens whose logits are held at once

// Mean and variance of a stream (Welford 1962).
struct Moments {
  uint64_t count = 0;
  double mean = 0, squares = 0;
  void add(double x) {
    const double before = x - mean;
    mean += before / static_cast<double>(++count);
    squares += before * (x - mean);
  }
  double standard_error() const {
    return count < 2 ? 0 : std::sqrt(squares / static_cast<double>(count - 1) / static_cast<double>(count));
  }
};

class Scorer {
 public:
  Scorer(Session& session, SequenceId sequence, size_t text_size, const ProgressCallback& progress)
      : session_(session), sequence_(sequence), text_size_(text_size), progress_(progress) {}

  const Moments& moments() const { return moments_; }

  // Scores window[1..] given what comes before each; `read`: tokens of the text before the window.
  Status score(std::span<const int32_t> window, size_t read) {
    TERN_TRY(session_.truncate(sequence_, 0));
    const size_t predictions = window.size() - 1;
    for (size_t at = 0; at < predictions; at += kStep) {
      const size_t count = std::min(kStep, predictions - at);
      step_.clear();
      for (size_t i = 0; i < count; ++i) step_.push_back({sequence_, window[at + i], true});
      TERN_TRY(session_.step(step_));
      for (size_t i = 0; i < count; ++i) {
        const double nll = negative_log_likelihood(session_.logits(i), window[at + i + 1]);
        if (!std::isfinite(nll)) {
          return corrupt(fmt::format("the logits after token {} of the text are not finite", read + at + i));
        }
        moments_.add(nll);
      }
      const uint64_t done = std::min(text_size_, read + at + count);
      if (progress_ && !progress_({"perplexity", done, text_size_})) return aborted("stopped by the caller");
    }
    return {};
  }

 private:
  Session& session_;
  SequenceId sequence_;
  size_t text_size_;
  const ProgressCallback& progress_;
  std::vector<StepToken> step_;
  Moments moments_;
};

Status check(const Session& session, std::span<const int32_t> text, const PerplexityOptions& options,
             uint32_t context) {
  const uint32_t vocab = session.model().config().vocab_size;
  if (context < 2 || context > session.context()) {
    return invalid_argument(fmt::format("windows of {} positions, expected 2 to {}", context, session.context()));
  }
  if (options.bos >= 0 && static_cast<uint32_t>(options.bos) >= vocab) {
    return invalid_argument(fmt::format("BOS {} is outside the vocabulary of {}", options.bos, vocab));
  }
  for (int32_t token : text) {
    if (token < 0 || static_cast<uint32_t>(token) >= vocab) {
      return invalid_argument(fmt::format("token {} is outside the vocabulary of {}", token, vocab));
    }
  }
  if (text.size() < (options.bos >= 0 ? 1u : 2u)) return invalid_argument("the text is too short to score a token");
  return {};
}

Status score_windows(Scorer& scorer, std::span<const int32_t> text, const PerplexityOptions& options, uint32_t context,
                     uint64_t& windows) {
  const bool with_bos = options.bos >= 0;
  std::vector<int32_t> window;
  const size_t step = with_bos ? context - 1 : context;
  for (size_t at = 0; at < text.size(); at += step) {
    window.clear();
    if (with_bos) window.push_back(options.bos);
    const auto part = text.subspan(at, std::min(step, text.size() - at));
    window.insert(window.end(), part.begin(), part.end());
    if (window.size() < 2) break;
    TERN_TRY(scorer.score(window, at));
    ++windows;
  }
  return {};
}

}  // namespace

int32_t leading_bos(const Model& model) {
  const auto& tokenizer = model.file().description().tokenizer;
  return tokenizer && tokenizer->add_bos ? tokenizer->bos : -1;
}

double negative_log_likelihood(std::span<const float> logits, int32_t target) {
  double largest = logits[0];
  for (float v : logits) largest = std::max(largest, static_cast<double>(v));
  double sum = 0;
  for (float v : logits) sum += exp64(v - largest);
  return log64(sum) - (logits[static_cast<size_t>(target)] - largest);
}

Result<PerplexityResult> perplexity(Session& session, std::span<const int32_t> text, const PerplexityOptions& options,
                                    const ProgressCallback& progress) {
  const uint32_t context = options.context != 0 ? options.context : session.context();
  TERN_TRY(check(session, text, options, context));
  TERN_ASSIGN(const SequenceId sequence, session.add_sequence());
  PerplexityResult result;
  Scorer scorer(session, sequence, text.size(), progress);
  Status status;
  try {
    status = score_windows(scorer, text, options, context, result.windows);
  } catch (const std::bad_alloc&) {
    status = out_of_memory("not enough memory for a window of the text");
  }
  const Status removed = session.remove(sequence);
  TERN_TRY(status);
  TERN_TRY(removed);
  result.tokens = scorer.moments().count;
  result.mean_nll = scorer.moments().mean;
  result.standard_error = scorer.moments().standard_error();
  result.perplexity = exp64(result.mean_nll);
  result.perplexity_error = result.perplexity * result.standard_error;
  return result;
}

}  // namespace tern
