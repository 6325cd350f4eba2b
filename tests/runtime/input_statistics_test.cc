#include "runtime/eval/input_statistics.h"

#include <catch2/catch.hpp>

#include "tests/runtime/eval_fixture.h"

namespace tern {
namespace {

InputStatistics collect(const std::shared_ptr<const Model>& model, const std::vector<int32_t>& text,
                        const StatisticsOptions& options) {
  auto result = input_statistics(model, text, options);
  INFO(result.status().message());
  REQUIRE(result.ok());
  return std::move(result).value();
}

}  // namespace

TEST_CASE("input statistics: what every layer reads, against double arithmetic") {
  for (const test::TinyShape& shape : test::tiny_shapes()) {
    INFO(shape.name);
    const test::TinyFile file(shape);
    const auto model = load_f32(file);
    std::vector<int32_t> text = random_text(*model, 91);
    const InputStatistics found = collect(model, text, {});
    text.pop_back();  // predicts nothing
    const auto expected = test::reference_input_squares(model->file(), text);
    CHECK(found.tokens == text.size());
    REQUIRE(found.mean_square.size() == expected.size());
    for (const auto& [linear, squares] : expected) {
      INFO(linear);
      REQUIRE(found.mean_square.count(linear) == 1);
      const std::vector<double>& means = found.mean_square.at(linear);
      REQUIRE(means.size() == squares.size());
      double most = 0;
      for (const double s : squares) most = std::max(most, s / 90);
      for (size_t i = 0; i < means.size(); ++i)
        CHECK(means[i] == Approx(squares[i] / 90).epsilon(1e-3).margin(1e-5 * most));
    }
  }
}

TEST_CASE("input statistics: windows, BOS, threads") {
  const test::TinyFile file(test::tiny_shapes()[1]);
  const auto model = load_f32(file);
  const std::vector<int32_t> text = random_text(*model, 100);
  const InputStatistics one = collect(model, text, {30, 2, 1}), two = collect(model, text, {30, 2, 2});
  CHECK(one.tokens == 100);  // four windows, each with its BOS and without its last token
  CHECK(one.mean_square == two.mean_square);

  // Window by window, added up.
  std::map<std::string, std::vector<double>> sums;
  for (size_t at = 0; at < text.size(); at += 29) {
    std::vector<int32_t> window{2};
    window.insert(window.end(), text.begin() + static_cast<std::ptrdiff_t>(at),
                  text.begin() + static_cast<std::ptrdiff_t>(std::min(text.size(), at + 29) - 1));
    for (const auto& [linear, squares] : test::reference_input_squares(model->file(), window)) {
      std::vector<double>& sum = sums[linear];
      sum.resize(squares.size());
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += squares[i];
    }
  }
  for (const auto& [linear, sum] : sums) CHECK(one.mean_square.at(linear)[3] == Approx(sum[3] / 100).epsilon(1e-3));
}

TEST_CASE("input statistics: refusals and stopping") {
  const test::TinyFile file(test::tiny_shapes()[1]);
  const auto model = load_f32(file);
  const std::vector<int32_t> text = random_text(*model, 40);
  CHECK(input_statistics(model, {}, {}).status().code() == Code::invalid_argument);
  CHECK(input_statistics(model, text, {1, 2, 1}).status().code() == Code::invalid_argument);
  CHECK(input_statistics(model, text, {model->config().context + 1, -1, 1}).status().code() == Code::invalid_argument);
  const std::vector<int32_t> strange{1, static_cast<int32_t>(model->config().vocab_size)};
  CHECK(input_statistics(model, strange, {}).status().code() == Code::invalid_argument);
  const auto stop = [](const Progress&) { return false; };
  CHECK(input_statistics(model, text, {}, stop).status().code() == Code::aborted);
}

}  // namespace tern
