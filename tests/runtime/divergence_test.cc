#include "runtime/eval/divergence.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>

#include "runtime/eval/statistics.h"
#include "tests/runtime/eval_fixture.h"
#include "tests/text/vocabulary_fixture.h"

namespace tern {
namespace {

using Row = std::vector<double>;

// Every figure once more, from logits in double and by other formulas where there are some: KL as cross entropy less
// entropy, p and q by division.
struct Twin {
  std::vector<double> kl, nll, base_nll, dp;
  double same = 0;

  static Row softmax(const Row& logits) {
    Row p;
    double sum = 0;
    for (double v : logits) p.push_back(std::exp(v)), sum += p.back();
    for (double& v : p) v /= sum;
    return p;
  }

  void add(const Row& base, const Row& other, size_t target) {
    const Row p = softmax(base), q = softmax(other);
    double cross = 0, entropy = 0;
    for (size_t i = 0; i < p.size(); ++i) cross -= p[i] * std::log(q[i]), entropy -= p[i] * std::log(p[i]);
    kl.push_back(cross - entropy);
    nll.push_back(-std::log(q[target]));
    base_nll.push_back(-std::log(p[target]));
    dp.push_back(q[target] - p[target]);
    same += std::max_element(p.begin(), p.end()) - p.begin() == std::max_element(q.begin(), q.end()) - q.begin();
  }
};

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

double error_of_mean(const std::vector<double>& values) {
  double sum = 0;
  for (double v : values) sum += (v - mean(values)) * (v - mean(values));
  const auto n = static_cast<double>(values.size());
  return std::sqrt(sum / (n - 1) / n);
}

// Each token in the first window that holds it, BOS before each window (perplexity_test.cc tests the other cases).
Twin twin_of(const Model& base, const Model& other, const std::vector<int32_t>& text, const WindowOptions& o) {
  Twin twin;
  const size_t width = o.context - 1;
  size_t scored = 0;
  for (size_t begin = 0; scored < text.size(); begin += o.stride) {
    const auto end = static_cast<long>(std::min(text.size(), begin + width));
    std::vector<int32_t> window = {o.bos};
    window.insert(window.end(), text.begin() + static_cast<long>(begin), text.begin() + end);
    const auto a = test::reference_logits(base.file(), window, false);
    const auto b = test::reference_logits(other.file(), window, false);
    for (; scored < static_cast<size_t>(end); ++scored) {
      twin.add(a[scored - begin], b[scored - begin], static_cast<size_t>(text[scored]));
    }
  }
  return twin;
}

}  // namespace

// The sessions compute in f32, so their logits are off by some 1e-5; the figures are held to ten times that.
TEST_CASE("divergence: every figure, against double arithmetic") {
  const auto base = tiny_model(), other = tiny_model(77);
  const auto text = random_text(*base, 150);
  const auto a = float_session(base), b = float_session(other);
  for (const WindowOptions& o : {WindowOptions{40, 3, 39}, WindowOptions{64, 3, 20}}) {
    INFO("stride " << o.stride);
    const Twin twin = twin_of(*base, *other, text, o);
    const auto r = divergence(*a, *b, text, o);
    INFO(r.status().message());
    REQUIRE(r.ok());
    CHECK(r->tokens == text.size());
    const auto near = [](double value) { return Approx(value).margin(1e-4).epsilon(1e-4); };
    CHECK(r->mean_kl == near(mean(twin.kl)));
    CHECK(r->mean_kl > 0.01);  // the models do differ
    CHECK(r->mean_kl_error == near(error_of_mean(twin.kl)));
    std::vector<double> sorted = twin.kl;
    std::sort(sorted.begin(), sorted.end());
    CHECK(r->median_kl == near((sorted[74] + sorted[75]) / 2));
    CHECK(r->kl_99 == near(sorted[147] + 0.51 * (sorted[148] - sorted[147])));  // 0.99 * 149 = 147.51
    CHECK(r->largest_kl == near(sorted.back()));
    CHECK(r->same_top == Approx(twin.same / 150).epsilon(1e-12));
    CHECK(r->same_top_error == Approx(std::sqrt(r->same_top * (1 - r->same_top) / 149)).epsilon(1e-9));
    std::vector<double> absolute, squared, difference;
    for (size_t i = 0; i < 150; ++i) {
      absolute.push_back(std::fabs(twin.dp[i]));
      squared.push_back(twin.dp[i] * twin.dp[i]);
      difference.push_back(twin.nll[i] - twin.base_nll[i]);
    }
    CHECK(r->mean_dp == near(mean(twin.dp)));
    CHECK(r->mean_dp_error == near(error_of_mean(twin.dp)));
    CHECK(r->mean_absolute_dp == near(mean(absolute)));
    CHECK(r->mean_absolute_dp_error == near(error_of_mean(absolute)));
    CHECK(r->rms_dp == near(std::sqrt(mean(squared))));
    CHECK(r->nll_difference == near(mean(difference)));
    CHECK(r->nll_difference_error == near(error_of_mean(difference)));
    CHECK(r->base_perplexity == near(std::exp(mean(twin.base_nll))));
    CHECK(r->perplexity == near(std::exp(mean(twin.nll))));
    CHECK(r->perplexity_error == Approx(r->perplexity * error_of_mean(twin.nll)).epsilon(1e-3));
    CHECK(r->base_perplexity_error == Approx(r->base_perplexity * error_of_mean(twin.base_nll)).epsilon(1e-3));
  }
  CHECK(a->cache_bytes() == 0);
  CHECK(b->cache_bytes() == 0);
}

TEST_CASE("divergence: a model with itself is exactly 0, and threads do not move a digit") {
  const auto base = tiny_model(), other = tiny_model(77);
  const auto text = random_text(*base, 150);
  const auto a = float_session(base), b = float_session(base, 1, 7);
  const auto same = divergence(*a, *b, text, {50, 3, 0});
  REQUIRE(same.ok());
  CHECK(same->mean_kl == 0);
  CHECK(same->largest_kl == 0);
  CHECK(same->same_top == 1);
  CHECK(same->rms_dp == 0);
  CHECK(same->nll_difference == 0);
  CHECK(same->perplexity == same->base_perplexity);

  const auto one = divergence(*a, *float_session(other), text, {50, 3, 30});
  const auto two = divergence(*b, *float_session(other, 1, 13), text, {50, 3, 30});
  REQUIRE((one.ok() && two.ok()));
  CHECK(one->mean_kl == two->mean_kl);
  CHECK(one->median_kl == two->median_kl);
  CHECK(one->rms_dp == two->rms_dp);
  CHECK(one->nll_difference_error == two->nll_difference_error);
}

TEST_CASE("divergence: one prediction by hand") {
  // p = (1/2, 1/4, 1/4), q = (1/4, 1/2, 1/4): KL = log(2)/2 - log(2)/4.
  const auto log_of = [](double v) { return static_cast<float>(std::log(v)); };
  const float p[] = {log_of(0.5), log_of(0.25), log_of(0.25)}, q[] = {log_of(0.25), log_of(0.5), log_of(0.25)};
  const TokenDivergence t = compare_predictions(p, q, 1);
  CHECK(t.kl == Approx(std::log(2.0) / 4).epsilon(1e-6));
  CHECK(t.probability_change == Approx(0.25).epsilon(1e-6));
  CHECK(t.base_nll == Approx(std::log(4.0)).epsilon(1e-6));
  CHECK(t.nll == Approx(std::log(2.0)).epsilon(1e-6));
  CHECK_FALSE(t.same_top);

  const float even[] = {1, 1, 1}, second[] = {0, 1, 1}, large[] = {3e38f, -3e38f, 0};
  CHECK(compare_predictions(even, even, 0).same_top);
  CHECK_FALSE(compare_predictions(even, second, 0).same_top);  // among equals the lowest: 0 and 1
  CHECK(compare_predictions(large, large, 1).kl == 0);
  const float nan[] = {0, std::nanf(""), 1};
  CHECK_FALSE(compare_predictions(even, nan, 0).finite());
  CHECK_FALSE(compare_predictions(nan, even, 0).finite());
}

TEST_CASE("divergence: quantiles interpolate") {
  std::vector<double> values = {4, 1, 3, 2};
  CHECK(quantile(values, 0) == 1);
  CHECK(quantile(values, 0.5) == 2.5);
  CHECK(quantile(values, 1) == 4);
  CHECK(quantile(values, 0.9) == Approx(3.7));
  std::vector<double> one = {5};
  CHECK(quantile(one, 0.99) == 5);
}

TEST_CASE("divergence: models of different vocabularies are refused by name") {
  const auto base = tiny_model(), other = tiny_model(0, 2);
  const auto r = divergence(*float_session(base), *float_session(other), random_text(*base, 20), {16, 3, 0});
  CHECK(r.status().code() == Code::invalid_argument);
  CHECK(r.status().message().find(base->file().path() + " has a vocabulary of 50 tokens, ") == 0);
  CHECK(r.status().message().find(other->file().path() + " one of 65") != std::string::npos);

  const auto stopped = divergence(*float_session(base), *float_session(base), random_text(*base, 100), {16, 3, 0},
                                  [](const Progress& p) { return p.done < 50; });
  CHECK(stopped.status().code() == Code::aborted);
}

TEST_CASE("divergence: different tokenizers are refused by name") {
  const auto with_tokenizer = [](const std::function<void(TokenizerData&)>& change) {
    TokenizerData data = test::byte_vocabulary({"a", "b", "ab"});
    change(data);
    return tiny_text_model(data);
  };
  const auto base = with_tokenizer([](TokenizerData&) {});
  const auto refused = [&](const std::function<void(TokenizerData&)>& change) {
    const auto other = with_tokenizer(change);
    const Status status = check_same_vocabulary(*base, *other);
    CHECK(status.code() == Code::invalid_argument);
    CHECK(status.message().find(base->file().path()) != std::string::npos);
    CHECK(status.message().find(other->file().path()) != std::string::npos);
    return status.message();
  };
  CHECK(check_same_vocabulary(*base, *with_tokenizer([](TokenizerData&) {})).ok());
  CHECK(check_same_vocabulary(*base, *with_tokenizer([](TokenizerData& d) { d.pieces[260].score += 1; })).ok());
  CHECK(refused([](TokenizerData& d) { d.pieces[260].text = "c"; }).find("token 260 differs") != std::string::npos);
  CHECK(refused([](TokenizerData& d) { d.pieces[260].type = PieceType::user_defined; }).find("token 260") !=
        std::string::npos);
  CHECK(refused([](TokenizerData& d) { d.add_bos = false; }).find("with token 1, ") != std::string::npos);
}

}  // namespace tern
