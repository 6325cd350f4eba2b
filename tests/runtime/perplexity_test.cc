#include "runtime/eval/perplexity.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>

#include "runtime/eval/statistics.h"
#include "tests/runtime/eval_fixture.h"

namespace tern {
namespace {

// The protocol, told from the tokens instead of the windows: each token is scored by the first window [k * stride,
// k * stride + width) that holds it together with a predecessor (BOS or a token of the text).
std::vector<double> expected_nlls(const Model& model, const std::vector<int32_t>& text, const WindowOptions& o) {
  const size_t width = o.context - (o.bos >= 0 ? 1 : 0), stride = o.stride ? o.stride : width;
  std::map<size_t, std::vector<std::vector<double>>> logits;  // by the window's begin
  std::vector<double> nlls;
  for (size_t at = 0; at < text.size(); ++at) {
    size_t begin = 0;
    while (begin + width <= at) begin += stride;
    if (at == begin && o.bos < 0) continue;
    if (!logits.contains(begin)) {
      std::vector<int32_t> window;
      if (o.bos >= 0) window.push_back(o.bos);
      for (size_t i = begin; i < std::min(text.size(), begin + width); ++i) window.push_back(text[i]);
      logits[begin] = test::reference_logits(model.file(), window, false);
    }
    const std::vector<double>& row = logits[begin][at - begin - (o.bos >= 0 ? 0 : 1)];
    double sum = 0;
    for (double v : row) sum += std::exp(v);
    nlls.push_back(std::log(sum) - row[static_cast<size_t>(text[at])]);
  }
  return nlls;
}

}  // namespace

TEST_CASE("perplexity: every window and token of the protocol, against double arithmetic") {
  const auto model = tiny_model();
  const auto s = float_session(model);
  const std::vector<int32_t> text = random_text(*model, 230);
  struct Row {
    WindowOptions options;
    uint64_t windows;
  };
  // Windows of a stride: the first that reaches the end of the text is the last.
  for (const auto& [o, windows] : {Row{{64, 3, 0}, 4},
                                   {{64, -1, 0}, 4},
                                   {{200, 3, 0}, 2},
                                   {{115, -1, 0}, 2},
                                   {{2, 3, 0}, 230},
                                   {{229, -1, 0}, 1},
                                   {{64, 3, 63}, 4},
                                   {{64, -1, 64}, 4},
                                   {{64, 3, 62}, 4},
                                   {{64, -1, 63}, 4},
                                   {{64, -1, 32}, 7},
                                   {{200, 3, 7}, 6},
                                   {{230, -1, 1}, 1},
                                   {{229, -1, 1}, 2},
                                   {{230, 3, 1}, 2}}) {
    if (TERN_SLOW_RUN && o.context > 64) continue;
    INFO("context " << o.context << " bos " << o.bos << " stride " << o.stride);
    const std::vector<double> nlls = expected_nlls(*model, text, o);
    const auto result = perplexity(*s, text, o);
    INFO(result.status().message());
    REQUIRE(result.ok());
    CHECK(result->tokens == nlls.size());
    CHECK(result->windows == windows);
    if (o.bos >= 0) CHECK(result->tokens == text.size());
    if (o.bos < 0 && o.stride != 0 && o.stride < o.context) CHECK(result->tokens == text.size() - 1);
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
  const auto model = tiny_model();
  const std::vector<int32_t> text = random_text(*model, 150);
  const auto a = perplexity(*float_session(model), text, {100, 1, 0});
  SessionOptions o;
  o.key_type = o.value_type = FloatType::f32, o.threads = 1, o.batch = 13;
  const auto b = perplexity(**Session::create(model, o), text, {100, 1, 0});
  REQUIRE((a.ok() && b.ok()));
  CHECK(a->mean_nll == b->mean_nll);
  CHECK(a->standard_error == b->standard_error);
}

TEST_CASE("perplexity: stops when asked and refuses what makes no sense") {
  const auto model = tiny_model();
  const auto s = float_session(model);
  const std::vector<int32_t> text = random_text(*model, 150);
  uint64_t last = 0;
  const auto stopped = perplexity(*s, text, {40, 1, 0}, [&](const Progress& p) {
    CHECK(p.total == text.size());
    last = p.done;
    return p.done < 80;
  });
  CHECK(stopped.status().code() == Code::aborted);
  CHECK(last >= 80);
  CHECK(last < text.size());
  CHECK(s->cache_bytes() == 0);

  const auto code = [&](std::vector<int32_t> t, WindowOptions o) { return perplexity(*s, t, o).status().code(); };
  CHECK(code(text, {1, -1, 0}) == Code::invalid_argument);
  CHECK(code(text, {257, -1, 0}) == Code::invalid_argument);
  CHECK(code(text, {16, 50, 0}) == Code::invalid_argument);
  CHECK(code({1, 2, 50}, {16, -1, 0}) == Code::invalid_argument);
  CHECK(code({1, -2}, {16, -1, 0}) == Code::invalid_argument);
  CHECK(code({1}, {16, -1, 0}) == Code::invalid_argument);
  CHECK(code({}, {16, 1, 0}) == Code::invalid_argument);
  CHECK(code({1}, {16, 1, 0}) == Code::ok);
  CHECK(code(text, {16, 1, 16}) == Code::invalid_argument);  // BOS leaves 15
  CHECK(code(text, {16, 1, 15}) == Code::ok);
  CHECK(code(text, {16, -1, 17}) == Code::invalid_argument);
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
