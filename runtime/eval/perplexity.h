// Perplexity of a model over a text. Strict protocol: the text is cut into windows that do not overlap, each
// of `context` positions and begun with BOS if the model has one; every token that has a predecessor in its
// window is scored, the first prediction of a window included. With BOS all tokens of the text count once;
// without, the first of each window is only read. (llama.cpp scores only the second half of its windows, which
// gives lower numbers.) The same bits on every machine: base/math.h, double sums in the order of the text.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/session/session.h"

namespace tern {

struct PerplexityOptions {
  uint32_t context = 0;  // positions of a window, BOS included; 0: the session's
  int32_t bos = -1;      // token that begins each window; -1: none
};

struct PerplexityResult {
  uint64_t windows = 0, tokens = 0;  // tokens: scored
  double mean_nll = 0;               // nats per token
  double standard_error = 0;         // of mean_nll, tokens taken as independent
  double perplexity = 0;             // exp(mean_nll)
  double perplexity_error = 0;       // perplexity * standard_error
};

// The BOS that a model's own tokenizer puts before a text; -1 if it puts none.
int32_t leading_bos(const Model& model);

// Uses a sequence of its own, removed again. progress: in tokens of the text.
Result<PerplexityResult> perplexity(Session& session, std::span<const int32_t> text, const PerplexityOptions& options,
                                    const ProgressCallback& progress = {});

// -log softmax(logits)[target], in double. Not finite if the logits are not.
double negative_log_likelihood(std::span<const float> logits, int32_t target);

}  // namespace tern
