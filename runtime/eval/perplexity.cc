#include "runtime/eval/perplexity.h"

#include <fmt/format.h>

#include "base/math.h"
#include "runtime/eval/statistics.h"

namespace tern {

Result<PerplexityResult> perplexity(Session& session, std::span<const int32_t> text, const WindowOptions& options,
                                    const ProgressCallback& progress) {
  Moments nlls;
  const auto score = [&](const ScoredToken& token) -> Status {
    const double nll = negative_log_likelihood(token.logits[0], token.target);
    if (!std::isfinite(nll)) {
      return corrupt(fmt::format("the logits that predict token {} of the text are not finite", token.at));
    }
    nlls.add(nll);
    return {};
  };
  Session* const sessions[] = {&session};
  PerplexityResult result;
  TERN_ASSIGN(result.windows, run_windows(sessions, text, options, "perplexity", score, progress));
  result.tokens = nlls.count;
  result.mean_nll = nlls.mean;
  result.standard_error = nlls.standard_error();
  result.perplexity = exp64(result.mean_nll);
  result.perplexity_error = result.perplexity * result.standard_error;
  return result;
}

}  // namespace tern
