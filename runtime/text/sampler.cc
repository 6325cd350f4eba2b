#include "runtime/text/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/math.h"

namespace tern {
namespace {

using Candidate = std::pair<float, int32_t>;  // logit, token

// A total order, so that every partial selection and sort has one result.
bool ranks_before(const Candidate& a, const Candidate& b) {
  return a.first != b.first ? a.first > b.first : a.second < b.second;
}

constexpr float kLargest = std::numeric_limits<float>::max();

}  // namespace

Sampler::Sampler(const SamplerOptions& options) : options_(options), random_(options.seed) {}

void Sampler::restrict_to(std::vector<bool> usable) { usable_ = std::move(usable); }

void Sampler::accept(int32_t token) { history_.push_back(token); }

// Ids outside the candidates are ignored; what is no longer finite is banned.
void Sampler::add_biases() {
  if (options_.logit_bias.empty()) return;
  for (const auto& [token, bias] : options_.logit_bias) {
    const auto at = std::lower_bound(candidates_.begin(), candidates_.end(), token,
                                     [](const Candidate& c, int32_t id) { return c.second < id; });
    if (at == candidates_.end() || at->second != token) continue;
    at->first = std::min(at->first + bias, kLargest);
  }
  std::erase_if(candidates_, [](const Candidate& c) { return !std::isfinite(c.first); });
}

// Repetition: Keskar et al. 2019 (CTRL), equation 2, with negative logits multiplied as in llama.cpp; presence and
// frequency: OpenAI's API.
float Sampler::penalized(float logit, size_t occurrences) const {
  const float penalty = options_.repeat_penalty;
  if (penalty > 0 && std::isfinite(penalty)) logit = logit > 0 ? logit / penalty : logit * penalty;
  logit -= static_cast<float>(occurrences) * options_.frequency_penalty + options_.presence_penalty;
  return std::clamp(logit, -kLargest, kLargest);
}

void Sampler::penalize() {
  if (options_.repeat_penalty == 1 && options_.presence_penalty == 0 && options_.frequency_penalty == 0) return;
  size_t count = history_.size();
  if (options_.repeat_last_n >= 0) count = std::min(count, static_cast<size_t>(options_.repeat_last_n));
  recent_.assign(history_.end() - static_cast<std::ptrdiff_t>(count), history_.end());
  std::sort(recent_.begin(), recent_.end());
  // Both lists ascend by token: one walk.
  auto candidate = candidates_.begin();
  for (auto token = recent_.begin(), next = token; token != recent_.end(); token = next) {
    next = std::upper_bound(token, recent_.end(), *token);
    while (candidate != candidates_.end() && candidate->second < *token) ++candidate;
    if (candidate == candidates_.end()) return;
    if (candidate->second == *token) candidate->first = penalized(candidate->first, static_cast<size_t>(next - token));
  }
}

void Sampler::keep_top_k() {
  const size_t k = options_.top_k > 0 ? static_cast<size_t>(options_.top_k) : candidates_.size();
  if (k < candidates_.size()) {
    std::nth_element(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(k), candidates_.end(),
                     ranks_before);
    candidates_.resize(k);
  }
  std::sort(candidates_.begin(), candidates_.end(), ranks_before);
}

// Nucleus sampling (Holtzman et al. 2020): the shortest list of best tokens that holds top_p of the probability.
void Sampler::keep_top_p() {
  if (!(options_.top_p < 1)) return;
  const float best = candidates_.front().first;
  double total = 0;
  for (const Candidate& c : candidates_) total += exp32(c.first - best);
  double sum = 0;
  size_t kept = 0;
  while (kept < candidates_.size()) {
    sum += exp32(candidates_[kept++].first - best);
    if (sum >= static_cast<double>(options_.top_p) * total) break;
  }
  candidates_.resize(kept);
}

// Min-p (Nguyen et al. 2024): tokens at least min_p times as probable as the best.
void Sampler::keep_min_p() {
  if (!(options_.min_p > 0)) return;
  const float best = candidates_.front().first;
  size_t kept = 1;
  while (kept < candidates_.size() && exp32(candidates_[kept].first - best) >= options_.min_p) ++kept;
  candidates_.resize(kept);
}

int32_t Sampler::draw() {
  const float best = candidates_.front().first;
  const auto weight = [&](const Candidate& c) -> double { return exp32((c.first - best) / options_.temperature); };
  double total = 0;
  for (const Candidate& c : candidates_) total += weight(c);
  const double target = static_cast<double>(random_.next() >> 11) * 0x1p-53 * total;
  double sum = 0;
  for (const Candidate& c : candidates_) {
    sum += weight(c);
    if (target < sum) return c.second;
  }
  return candidates_.front().second;  // target is below the total, which is the same sum
}

int32_t Sampler::sample(std::span<const float> logits) {
  candidates_.clear();
  const size_t count = usable_.empty() ? logits.size() : std::min(logits.size(), usable_.size());
  for (size_t i = 0; i < count; ++i) {
    if (std::isfinite(logits[i]) && (usable_.empty() || usable_[i]))
      candidates_.emplace_back(logits[i], static_cast<int32_t>(i));
  }
  add_biases();
  if (candidates_.empty()) return -1;
  penalize();
  if (!(options_.temperature > 0)) {
    return std::min_element(candidates_.begin(), candidates_.end(), ranks_before)->second;
  }
  keep_top_k();
  keep_top_p();
  keep_min_p();
  return draw();
}

}  // namespace tern
