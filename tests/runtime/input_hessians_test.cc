#include "runtime/eval/input_hessians.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <unordered_map>

#include "runtime/eval/input_statistics.h"
#include "runtime/model/parts.h"
#include "tests/base/scratch_directory.h"
#include "tests/runtime/eval_fixture.h"

namespace tern {
namespace {

InputHessians collect_hessians(const std::shared_ptr<const Model>& model, const std::vector<int32_t>& text,
                               const StatisticsOptions& options) {
  const test::ScratchDirectory folder;
  auto result = InputHessians::collect(model, text, folder / "m.tern", options);
  INFO(result.status().message());
  REQUIRE(result.ok());
  CHECK(folder.names().empty());
  return std::move(result).value();
}

// Sums of all products, token after token, by one member.
class PlainSums final : public InputObserver {
 public:
  std::map<std::string, std::vector<double>> sums;
  void see(const LinearPlan& linear, const float* x, uint64_t stride, uint64_t tokens,
           ThreadTeam::Member::Range) override {
    std::vector<double>& sum = sums[linear.name];
    sum.resize(linear.cols * (linear.cols + 1) / 2);
    for (uint64_t t = 0; t < tokens; ++t) {
      size_t at = 0;
      for (uint64_t i = 0; i < linear.cols; ++i)
        for (uint64_t j = 0; j <= i; ++j) sum[at++] += double{x[t * stride + i]} * x[t * stride + j];
    }
  }
};

}  // namespace

TEST_CASE("input hessians: every product, to the bit; threads change nothing") {
  for (const test::TinyShape& shape : test::tiny_shapes()) {
    INFO(shape.name);
    const test::TinyFile file(shape);
    const auto model = load_f32(file);
    const std::vector<int32_t> text = random_text(*model, 91);
    PlainSums expected;
    REQUIRE(observe_text(model, text, {0, -1, 1}, expected, {}).ok());
    for (const unsigned threads : {1u, 2u, 3u}) {
      const InputHessians found = collect_hessians(model, text, {0, -1, threads});
      CHECK(found.tokens() == 90);
      REQUIRE(found.triangles().size() == expected.sums.size());
      for (const auto& [linear, sums] : expected.sums) {
        INFO(linear);
        const auto triangle = found.triangles().at(linear);
        CHECK(std::vector<double>(triangle.begin(), triangle.end()) == sums);
      }
    }
  }
}

TEST_CASE("input hessians: the diagonals are the statistics; shared inputs share memory") {
  const test::TinyFile file(test::tiny_shapes()[1]);
  const auto model = load_f32(file);
  const std::vector<int32_t> text = random_text(*model, 100);
  const StatisticsOptions options{30, 2, 2};
  const InputHessians found = collect_hessians(model, text, options);
  const auto statistics = input_statistics(model, text, options);
  REQUIRE(statistics.ok());
  CHECK(found.tokens() == statistics->tokens);
  CHECK(found.mean_squares() == statistics->mean_square);
  const auto& triangles = found.triangles();
  CHECK(triangles.at("blocks.0.attn.q").data() == triangles.at("blocks.0.attn.v").data());
  CHECK(triangles.at("blocks.0.ffn.gate").data() == triangles.at("blocks.0.ffn.up").data());
  CHECK(triangles.at("blocks.0.attn.q").data() != triangles.at("blocks.0.attn.o").data());
  std::map<const double*, uint64_t> sizes;
  for (const auto& [linear, triangle] : triangles) sizes[triangle.data()] = triangle.size_bytes();
  uint64_t bytes = 0;
  for (const auto& [at, size] : sizes) bytes += size;
  CHECK(InputHessians::bytes(*model) == bytes);
}

TEST_CASE("input hessians: refusals and stopping") {
  const test::TinyFile file(test::tiny_shapes()[1]);
  const auto model = load_f32(file);
  const std::vector<int32_t> text = random_text(*model, 40);
  const test::ScratchDirectory folder;
  CHECK(InputHessians::collect(model, {}, folder / "m", {}).status().code() == Code::invalid_argument);
  CHECK(InputHessians::collect(model, text, "/nowhere/m", {}).status().code() == Code::io_error);
  const auto stop = [](const Progress&) { return false; };
  CHECK(InputHessians::collect(model, text, folder / "m", {}, stop).status().code() == Code::aborted);
  CHECK(folder.names().empty());
}

}  // namespace tern
