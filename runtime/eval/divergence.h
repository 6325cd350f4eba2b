// How far a model's predictions are from those of the model it was made from: both read the same windows of a text
// (windows.h), side by side. Exactly 0 divergence, 0 dp and full agreement for a model with itself.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/eval/windows.h"

namespace tern {

// A prediction of both models. p: softmax of the base's logits, q: of the other's.
struct TokenDivergence {
  double kl = 0;                  // sum over the vocabulary of p log(p / q), nats; 0 where rounding makes it less
  double base_nll = 0, nll = 0;   // -log p(target), -log q(target)
  double probability_change = 0;  // dp: q(target) - p(target)
  bool same_top = false;          // both give the most to the same token; among equals the lowest id counts
  bool finite() const;
};
TokenDivergence compare_predictions(std::span<const float> base, std::span<const float> other, int32_t target);

// Every _error is one standard error, tokens taken as independent.
struct DivergenceResult {
  uint64_t windows = 0, tokens = 0;  // tokens: scored
  double mean_kl = 0, mean_kl_error = 0;
  double median_kl = 0, kl_99 = 0, largest_kl = 0;  // kl_99: the 99th percentile
  double same_top = 0, same_top_error = 0;          // share of tokens, 0 to 1
  double mean_dp = 0, mean_dp_error = 0;
  double mean_absolute_dp = 0, mean_absolute_dp_error = 0, rms_dp = 0;
  double base_nll = 0, nll = 0;
  double nll_difference = 0, nll_difference_error = 0;  // nll - base_nll; the error is that of the paired differences
  double base_perplexity = 0, base_perplexity_error = 0, perplexity = 0, perplexity_error = 0;
};

// An error that names the first difference unless equal ids mean the same text in both models: vocabulary sizes,
// the token that begins a text, and, where both files hold a tokenizer, every piece.
Status check_same_vocabulary(const Model& base, const Model& other);

// Holds 8 bytes per scored token, for the percentiles. progress: in tokens of the text.
Result<DivergenceResult> divergence(Session& base, Session& other, std::span<const int32_t> text,
                                    const WindowOptions& options, const ProgressCallback& progress = {});

}  // namespace tern
