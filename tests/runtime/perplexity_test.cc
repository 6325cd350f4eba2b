#include "runtime/eval/perplexity.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "base/random.h"
#include "tests/runtime/tiny_model.h"

namespace tern {
namespace {

std::shared_ptr<const Model> tiny() {
  static const test::TinyFile file(test::tiny_shapes()[1]);
  LoadOptions load;
  load.activations = ActivationRounding::f32;
  return file.load(load);
}

std::unique_ptr<Session> session(const std::shared_ptr<const Model>& model) {
  SessionOptions o;
  o.key_type = o.value_type = FloatType::f32;
  o.threads = 2;
  o.work_per_thread = 0;
  auto made = Session::create(model, o);
  REQUIRE(made.ok());
  return std::move(made).value();
}

std::vector<int32_t> random_text(const Model& model, size_t n) {
  Random random(9);
  std::vector<int32_t> text(n);
  for (int32_t& t : text) t = static_cast<int32_t>(random.below(model.config().vocab_size));
  return text;
}

// The protocol, spelled out once more over double logits.
std::vector<double> expected_nlls(const Model& model, const std::vector<int32_t>& text, size_t context, int32_t bos) {
  std::vector<double> nlls;
  size_t at = 0;
  while (at < text.size()) {
    std::vector<int32_t> window;
    if (bos >= 0) window.push_back(bos);
    while (window.size() < context && at < text.size()) window.push_back(text[at++]);
    const auto logits = test::reference_logits(model.file(), window, false);
    for (size_t i = 0; i + 1 < window.size(); ++i) {
      double sum = 0;
      for (double v : logits[i]) sum += std::exp(v);
      nlls.push_back(std::log(sum) - logits[i][window[i + 1]]);
    }
  }
  return nlls;
}

}  // namespace

TEST_CASE("perplexity: every window and token of the protocol, against double arithmetic") {
  const auto model = tiny();
  const auto s = session(model);
  const std::vector<int32_t> text = random_text(*model, 230);
  for (const auto& [context, bos] :
       {std::pair<uint32_t, int32_t>{64, 3}, {64, -1}, {200, 3}, {115, -1}, {2, 3}, {229, -1}}) {
    INFO("context " << context << " bos " << bos);
    const std::vector<double> nlls = expected_nlls(*model, text, context, bos);
    const auto result = perplexity(*s, text, {context, bos});
    INFO(result.status().message());
    REQUIRE(result.ok());
    CHECK(result->tokens == nlls.size());
    const size_t step = bos >= 0 ? context - 1 : context;
    const size_t full = text.size() / step, rest = text.size() % step;
    CHECK(result->windows == full + (rest + (bos >= 0) >= 2 ? 1 : 0));
    if (bos >= 0) CHECK(result->tokens == text.size());
    double mean = 0, variance = 0;
    for (double v : nlls) mean += v / nlls.size();
    for (double v : nlls) variance += (v - mean) * (v - mean) / (nlls.size() - 1);
    CHECK(result->mean_nll == Approx(mean).epsilon(1e-5));
    CHECK(result->standard_error == Approx(std::sqrt(variance / nlls.size())).epsilon(1e-4));
    CHECK(result->perplexity == Approx(std::exp(mean)).epsilon(1e-4));
    CHECK(result->perplexity_error == Approx(result->perplexity * result->standard_error));
    CHECK(s->cache_bytes() == 0);
  }
}

TEST_CASE("perplexity: the same bits for any number of threads") {
  const auto model = tiny();
  const std::vector<int32_t> text = random_text(*model, 150);
  const auto a = perplexity(*session(model), text, {100, 1});
  SessionOptions o;
  o.key_type = o.value_type = FloatType::f32, o.threads = 1, o.batch = 13;
  const auto b = perplexity(**Session::create(model, o), text, {100, 1});
  REQUIRE((a.ok() && b.ok()));
  CHECK(a->mean_nll == b->mean_nll);
  CHECK(a->standard_error == b->standard_error);
}

TEST_CASE("perplexity: stops when asked and refuses what makes no sense") {
  const auto model = tiny();
  const auto s = session(model);
  const std::vector<int32_t> text = random_text(*model, 150);
  uint64_t last = 0;
  const auto stopped = perplexity(*s, text, {40, 1}, [&](const Progress& p) {
    CHECK(p.total == text.size());
    last = p.done;
    return p.done < 80;
  });
  CHECK(stopped.status().code() == Code::aborted);
  CHECK(last >= 80);
  CHECK(last < text.size());
  CHECK(s->cache_bytes() == 0);

  const auto code = [&](std::vector<int32_t> t, PerplexityOptions o) { return perplexity(*s, t, o).status().code(); };
  CHECK(code(text, {1, -1}) == Code::invalid_argument);
  CHECK(code(text, {257, -1}) == Code::invalid_argument);
  CHECK(code(text, {16, 50}) == Code::invalid_argument);
  CHECK(code({1, 2, 50}, {16, -1}) == Code::invalid_argument);
  CHECK(code({1, -2}, {16, -1}) == Code::invalid_argument);
  CHECK(code({1}, {16, -1}) == Code::invalid_argument);
  CHECK(code({}, {16, 1}) == Code::invalid_argument);
  CHECK(code({1}, {16, 1}) == Code::ok);
}

TEST_CASE("perplexity: log-likelihood survives large logits and reports what is not finite") {
  const float large[] = {3e38f, -3e38f, 3e38f};
  CHECK(negative_log_likelihood(large, 0) == Approx(std::log(2.0)));
  const float nan[] = {0, std::nanf(""), 1};
  CHECK_FALSE(std::isfinite(negative_log_likelihood(nan, 0)));
  const float even[] = {1, 1, 1, 1};
  CHECK(negative_log_likelihood(even, 2) == Approx(std::log(4.0)).epsilon(1e-14));
}

}  // namespace tern
