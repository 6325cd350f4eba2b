// Perplexity of a model over a text, by the protocol of windows.h.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/eval/windows.h"

namespace tern {

struct PerplexityResult {
  uint64_t windows = 0, tokens = 0;  // tokens: scored
  double mean_nll = 0;               // nats per token
  double standard_error = 0;         // of mean_nll, tokens taken as independent
  double perplexity = 0;             // exp(mean_nll)
  double perplexity_error = 0;       // perplexity * standard_error
};

// Uses a sequence of its own, removed again. progress: in tokens of the text.
Result<PerplexityResult> perplexity(Session& session, std::span<const int32_t> text, const WindowOptions& options,
                                    const ProgressCallback& progress = {});

}  // namespace tern
