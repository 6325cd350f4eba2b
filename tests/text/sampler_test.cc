#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <vector>

#include "base/random.h"
#include "runtime/text/sampler.h"

using namespace tern;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

SamplerOptions plain() {
  SamplerOptions o;
  o.temperature = 1, o.top_k = 0, o.top_p = 1, o.min_p = 0, o.repeat_penalty = 1;
  return o;
}

// The distribution that the options define, computed slowly in long double with libm: token -> probability.
std::map<int, double> expected_distribution(std::vector<float> logits, const SamplerOptions& o,
                                            const std::vector<int32_t>& history = {}) {
  const size_t back = o.repeat_last_n < 0 ? history.size() : std::min<size_t>(history.size(), o.repeat_last_n);
  for (const auto& [token, bias] : o.logit_bias) logits[token] += bias;
  for (int token : std::set<int>(history.end() - back, history.end())) {
    logits[token] = logits[token] > 0 ? logits[token] / o.repeat_penalty : logits[token] * o.repeat_penalty;
    const auto count = std::count(history.end() - back, history.end(), token);
    logits[token] -= static_cast<float>(count) * o.frequency_penalty + o.presence_penalty;
  }
  std::vector<int> order;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isfinite(logits[i])) order.push_back(static_cast<int>(i));
  }
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return logits[a] > logits[b]; });
  if (o.top_k > 0 && order.size() > static_cast<size_t>(o.top_k)) order.resize(o.top_k);
  const auto probabilities = [&](long double temperature) {
    std::vector<long double> p;
    long double total = 0;
    for (int i : order) p.push_back(std::exp((static_cast<long double>(logits[i]) - logits[order[0]]) / temperature));
    for (long double x : p) total += x;
    for (long double& x : p) x /= total;
    return p;
  };
  if (o.top_p < 1) {
    const auto p = probabilities(1);
    long double sum = 0;
    size_t kept = 0;
    while (kept < p.size() && (kept == 0 || sum < o.top_p)) sum += p[kept++];
    order.resize(kept);
  }
  if (o.min_p > 0) {
    const auto p = probabilities(1);
    size_t kept = 1;
    while (kept < p.size() && p[kept] >= o.min_p * p[0]) ++kept;
    order.resize(kept);
  }
  const auto p = probabilities(o.temperature);
  std::map<int, double> result;
  for (size_t i = 0; i < order.size(); ++i) result[order[i]] = static_cast<double>(p[i]);
  return result;
}

void check_distribution(const std::vector<float>& logits, SamplerOptions o, const std::vector<int32_t>& history = {}) {
  const auto expected = expected_distribution(logits, o, history);
  o.seed = 7;
  Sampler sampler(o);
  for (int32_t token : history) sampler.accept(token);
  constexpr int kDraws = 20000;
  std::map<int, int> counts;
  for (int i = 0; i < kDraws; ++i) ++counts[sampler.sample(logits)];
  for (const auto& [token, count] : counts) {
    INFO("token " << token);
    REQUIRE(expected.count(token) == 1);
  }
  for (const auto& [token, p] : expected) {
    // Binomial: 5 standard deviations plus one draw. Seeds are fixed, so this does not flicker.
    INFO("token " << token << " p " << p << " count " << counts[token]);
    CHECK(std::abs(counts[token] - kDraws * p) <= 5 * std::sqrt(kDraws * p * (1 - p)) + 1);
  }
}

std::vector<float> random_logits(uint64_t seed, size_t n, float spread) {
  Random random(seed);
  std::vector<float> logits(n);
  for (float& x : logits) x = (random.uniform() * 2 - 1) * spread;
  return logits;
}

}  // namespace

TEST_CASE("Counted samples follow the exact distribution of every option") {
  const auto logits = random_logits(3, 24, 3);
  check_distribution(logits, plain());
  for (float temperature : {0.3f, 0.8f, 2.f}) {
    auto o = plain();
    o.temperature = temperature;
    check_distribution(logits, o);
  }
  for (int k : {1, 2, 7, 23, 24, 100}) {
    auto o = plain();
    o.top_k = k;
    check_distribution(logits, o);
  }
  for (float p : {0.f, 0.05f, 0.5f, 0.9f, 0.999f}) {
    auto o = plain();
    o.top_p = p;
    check_distribution(logits, o);
  }
  for (float p : {0.01f, 0.2f, 0.9f, 1.f}) {
    auto o = plain();
    o.min_p = p;
    check_distribution(logits, o);
  }
}

TEST_CASE("Options combine in the documented order") {
  Random random(4);
  for (int round = 0; round < 30; ++round) {
    SamplerOptions o;
    o.temperature = 0.2f + 1.5f * random.uniform();
    o.top_k = static_cast<int32_t>(random.below(20));
    o.top_p = 0.3f + 0.8f * random.uniform();
    o.min_p = 0.2f * random.uniform();
    o.repeat_penalty = 0.8f + 0.8f * random.uniform();
    o.presence_penalty = random.uniform() - 0.3f;
    o.frequency_penalty = random.uniform() - 0.3f;
    o.logit_bias = {{static_cast<int32_t>(random.below(16)), 2 * random.uniform() - 1}, {3, -kInf}};
    o.repeat_last_n = static_cast<int32_t>(random.below(6)) - 1;
    std::vector<int32_t> history;
    for (int i = 0; i < 8; ++i) history.push_back(static_cast<int32_t>(random.below(16)));
    check_distribution(random_logits(100 + round, 16, 2.5f), o, history);
  }
}

TEST_CASE("A penalty counts each recent token once and forgets older ones") {
  auto o = plain();
  o.temperature = 0;
  o.repeat_penalty = 2;
  o.repeat_last_n = 2;
  Sampler sampler(o);
  const std::vector<float> logits = {4, 3, 1.5f, -1};
  CHECK(sampler.sample(logits) == 0);
  sampler.accept(0);
  sampler.accept(0);
  CHECK(sampler.sample(logits) == 1);  // 4 / 2 once, not twice: still above 1.5
  sampler.accept(1);
  CHECK(sampler.sample(logits) == 0);  // 2, 1.5, 1.5: token 0 leads
  sampler.accept(1);
  CHECK(sampler.sample(logits) == 0);  // both zeros forgotten
  const std::vector<float> negative = {-1, -1.5f};
  sampler.accept(0);
  sampler.accept(0);
  CHECK(sampler.sample(negative) == 1);  // -1 * 2 < -1.5
}

TEST_CASE("Presence counts a token once, frequency each time; a bias comes before both") {
  auto o = plain();
  o.temperature = 0;
  o.presence_penalty = 1;
  const std::vector<float> logits = {4, 3.2f, 2.1f};
  const auto after = [&](std::initializer_list<int32_t> tokens) {
    Sampler sampler(o);
    for (const int32_t token : tokens) sampler.accept(token);
    return sampler.sample(logits);
  };
  CHECK(after({0}) == 1);
  CHECK(after({0, 0, 1}) == 0);  // 3, 2.2, 2.1
  o.frequency_penalty = 0.5f;
  CHECK(after({0, 0, 1}) == 2);                   // 2, 1.7, 2.1
  o.logit_bias = {{2, -kInf}, {99, 5}, {-1, 5}};  // ids outside the logits are ignored
  CHECK(after({0, 0, 1}) == 0);
  o.logit_bias.push_back({1, 0.5f});
  CHECK(after({0, 0, 1}) == 1);
  o.logit_bias = {{0, -kInf}, {1, -kInf}, {2, -kInf}};
  CHECK(after({}) == -1);
}

TEST_CASE("Greedy takes the lowest id of equal logits and draws nothing") {
  auto o = plain();
  o.temperature = 0;
  Sampler sampler(o);
  CHECK(sampler.sample(std::vector<float>{1, 5, 5, 5}) == 1);
  CHECK(sampler.sample(std::vector<float>{-0.f, 0.f}) == 0);
  o.temperature = -1;
  CHECK(Sampler(o).sample(std::vector<float>{1, 2, 0}) == 1);
  o.temperature = kNan;
  CHECK(Sampler(o).sample(std::vector<float>{1, 2, 0}) == 1);
}

TEST_CASE("Ties at the edge of top-k keep the lowest ids") {
  auto o = plain();
  o.top_k = 3;
  std::vector<float> logits(50, 1.f);
  logits[40] = 2;
  std::set<int> seen;
  Sampler sampler(o);
  for (int i = 0; i < 500; ++i) seen.insert(sampler.sample(logits));
  CHECK(seen == std::set<int>{0, 1, 40});
}

TEST_CASE("Logits that are not finite are never chosen") {
  for (float temperature : {0.f, 1.f}) {
    auto o = plain();
    o.temperature = temperature;
    Sampler sampler(o);
    const std::vector<float> logits = {kNan, kInf, -kInf, -3, kNan};
    for (int i = 0; i < 50; ++i) CHECK(sampler.sample(logits) == 3);
    CHECK(sampler.sample(std::vector<float>{kNan, kInf, -kInf}) == -1);
    CHECK(sampler.sample({}) == -1);
  }
}

TEST_CASE("Extreme logits and temperatures stay defined") {
  auto o = plain();
  const float big = std::numeric_limits<float>::max();
  CHECK(Sampler(o).sample(std::vector<float>{-big, big, 0}) == 1);
  o.temperature = 1e-45f;
  CHECK(Sampler(o).sample(std::vector<float>{1, 2, 1.9f}) == 1);
  o.temperature = 1;
  o.repeat_penalty = 1e-30f;
  Sampler sampler(o);
  sampler.accept(0);
  sampler.accept(-5);  // ids outside the logits are ignored
  sampler.accept(99);
  CHECK(sampler.sample(std::vector<float>{big, big / 2}) == 0);
}

TEST_CASE("The same seed gives the same tokens, another seed others") {
  const auto logits = random_logits(5, 1000, 2);
  const auto run = [&](uint64_t seed) {
    SamplerOptions o;
    o.seed = seed, o.top_k = 0, o.min_p = 0;
    Sampler sampler(o);
    std::vector<int32_t> tokens;
    for (int i = 0; i < 40; ++i) tokens.push_back(sampler.sample(logits));
    return tokens;
  };
  CHECK(run(1) == run(1));
  CHECK(run(1) != run(2));
}

TEST_CASE("Only usable ids are chosen, greedily or not") {
  const std::vector<float> logits = {1, 5, 2, 9, 3, 99, 100};
  for (const float temperature : {0.f, 5.f}) {
    SamplerOptions o = plain();
    o.temperature = temperature;
    Sampler sampler(o);
    sampler.restrict_to({true, true, true, false, true});  // 3 is a hole, 5 and 6 fill up the matrix
    std::set<int32_t> seen;
    for (int i = 0; i < 300; ++i) seen.insert(sampler.sample(logits));
    CHECK(seen == (temperature == 0 ? std::set<int32_t>{1} : std::set<int32_t>{0, 1, 2, 4}));
    CHECK(sampler.sample(std::vector<float>{kNan, kInf, kNan, 1}) == -1);
    CHECK(sampler.sample(std::vector<float>{1}) == 0);  // fewer logits than ids
  }
}
