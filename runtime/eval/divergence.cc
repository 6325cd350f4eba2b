#include "runtime/eval/divergence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <vector>

#include "base/math.h"
#include "runtime/eval/statistics.h"

namespace tern {
namespace {

// What a softmax is made of.
struct Softmax {
  std::span<const float> logits;
  double largest = 0, log_sum = 0;  // log_sum: of exp(logit - largest)
  size_t top = 0;

  explicit Softmax(std::span<const float> values) : logits(values) {
    for (size_t i = 1; i < logits.size(); ++i) {
      if (logits[i] > logits[top]) top = i;
    }
    largest = logits[top];
    double sum = 0;
    for (float v : logits) sum += exp64(v - largest);
    log_sum = log64(sum);
  }
  double log_probability(size_t i) const { return (logits[i] - largest) - log_sum; }
};

// What the whole text adds up to.
struct Totals {
  Moments kl, base_nll, nll, difference, dp, absolute_dp, squared_dp, same_top;
  std::vector<double> all_kl;

  void add(const TokenDivergence& t) {
    kl.add(t.kl);
    base_nll.add(t.base_nll);
    nll.add(t.nll);
    difference.add(t.nll - t.base_nll);
    dp.add(t.probability_change);
    absolute_dp.add(std::fabs(t.probability_change));
    squared_dp.add(t.probability_change * t.probability_change);
    same_top.add(t.same_top ? 1 : 0);
    all_kl.push_back(t.kl);
  }

  DivergenceResult result() {
    DivergenceResult r;
    r.tokens = kl.count;
    r.mean_kl = kl.mean, r.mean_kl_error = kl.standard_error();
    r.median_kl = quantile(all_kl, 0.5), r.kl_99 = quantile(all_kl, 0.99), r.largest_kl = all_kl.back();
    r.same_top = same_top.mean, r.same_top_error = same_top.standard_error();
    r.mean_dp = dp.mean, r.mean_dp_error = dp.standard_error();
    r.mean_absolute_dp = absolute_dp.mean, r.mean_absolute_dp_error = absolute_dp.standard_error();
    r.rms_dp = std::sqrt(squared_dp.mean);
    r.base_nll = base_nll.mean, r.nll = nll.mean;
    r.nll_difference = difference.mean, r.nll_difference_error = difference.standard_error();
    r.base_perplexity = exp64(r.base_nll), r.perplexity = exp64(r.nll);
    r.base_perplexity_error = r.base_perplexity * base_nll.standard_error();
    r.perplexity_error = r.perplexity * nll.standard_error();
    return r;
  }
};

std::string named(const Model& model) { return model.file().path(); }

Status check_same_pieces(const TokenizerData& a, const TokenizerData& b, const Model& base, const Model& other) {
  if (a.kind != b.kind) {
    return invalid_argument(fmt::format("{} and {} have tokenizers of different kinds", named(base), named(other)));
  }
  if (a.pieces.size() != b.pieces.size()) {
    return invalid_argument(fmt::format("{} has a tokenizer of {} pieces, {} one of {}", named(base), a.pieces.size(),
                                        named(other), b.pieces.size()));
  }
  for (size_t i = 0; i < a.pieces.size(); ++i) {
    if (a.pieces[i].text == b.pieces[i].text && a.pieces[i].type == b.pieces[i].type) continue;
    return invalid_argument(
        fmt::format("{} and {} have different tokenizers: token {} differs", named(base), named(other), i));
  }
  return {};
}

}  // namespace

bool TokenDivergence::finite() const { return std::isfinite(kl) && std::isfinite(base_nll) && std::isfinite(nll); }

TokenDivergence compare_predictions(std::span<const float> base, std::span<const float> other, int32_t target) {
  const Softmax p(base), q(other);
  TokenDivergence t;
  for (size_t i = 0; i < base.size(); ++i) {
    const double log_p = p.log_probability(i);
    t.kl += exp64(log_p) * (log_p - q.log_probability(i));
  }
  if (t.kl < 0) t.kl = 0;  // the true value never is
  const auto at = static_cast<size_t>(target);
  t.base_nll = -p.log_probability(at);
  t.nll = -q.log_probability(at);
  t.probability_change = exp64(-t.nll) - exp64(-t.base_nll);
  t.same_top = p.top == q.top;
  return t;
}

Status check_same_vocabulary(const Model& base, const Model& other) {
  const uint32_t size = base.config().vocab_size, other_size = other.config().vocab_size;
  if (size != other_size) {
    return invalid_argument(fmt::format("{} has a vocabulary of {} tokens, {} one of {}: they cannot be compared",
                                        named(base), size, named(other), other_size));
  }
  const auto& a = base.file().description().tokenizer;
  const auto& b = other.file().description().tokenizer;
  if (!a || !b) return {};
  TERN_TRY(check_same_pieces(*a, *b, base, other));
  if (leading_bos(base) != leading_bos(other)) {
    return invalid_argument(fmt::format("{} begins a text with token {}, {} with token {} (-1: none)", named(base),
                                        leading_bos(base), named(other), leading_bos(other)));
  }
  return {};
}

Result<DivergenceResult> divergence(Session& base, Session& other, std::span<const int32_t> text,
                                    const WindowOptions& options, const ProgressCallback& progress) {
  TERN_TRY(check_same_vocabulary(base.model(), other.model()));
  Totals totals;
  const auto compare = [&](const ScoredToken& token) -> Status {
    const TokenDivergence t = compare_predictions(token.logits[0], token.logits[1], token.target);
    if (!t.finite()) {
      return corrupt(fmt::format("the logits that predict token {} of the text are not finite", token.at));
    }
    totals.add(t);
    return {};
  };
  Session* const sessions[] = {&base, &other};
  TERN_ASSIGN(const uint64_t windows, run_windows(sessions, text, options, "kl", compare, progress));
  DivergenceResult result = totals.result();
  result.windows = windows;
  return result;
}

}  // namespace tern
