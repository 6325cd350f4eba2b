#include "runtime/eval/input_hessians.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <vector>

#include "formats/tern/reader.h"
#include "runtime/model/parts.h"

namespace tern {
namespace {

using Range = ThreadTeam::Member::Range;

constexpr unsigned kBlock = 4;

uint64_t triangle_size(uint64_t n) { return n * (n + 1) / 2; }

// The rows of the triangle for who has these columns: blocks of it, about as many for everyone.
Range rows_of(Range columns, uint64_t cols) {
  const auto row = [cols](uint64_t column) {
    const double even = std::sqrt(static_cast<double>(column) * static_cast<double>(cols));
    return static_cast<uint64_t>(even) / kBlock * kBlock;
  };
  return {row(columns.begin), columns.end == cols ? cols : row(columns.end)};
}

// (i .. , j ..) of the triangle, kBlock values square, += the products of these columns.
void add_block(const float* x, uint64_t stride, uint64_t tokens, uint64_t i, uint64_t j, uint64_t rows,
               double* triangle) {
  double sums[kBlock][kBlock] = {};
  const auto row = [&](uint64_t r) { return triangle + triangle_size(i + r) + j; };
  for (uint64_t r = 0; r < rows; ++r) std::copy_n(row(r), std::min<uint64_t>(kBlock, i + r + 1 - j), sums[r]);
  for (uint64_t t = 0; t < tokens; ++t) {
    const float *left = x + t * stride + i, *right = x + t * stride + j;
    for (unsigned r = 0; r < kBlock; ++r)
      for (unsigned c = 0; c < kBlock; ++c) sums[r][c] += static_cast<double>(left[r]) * right[c];
  }
  for (uint64_t r = 0; r < rows; ++r) std::copy_n(sums[r], std::min<uint64_t>(kBlock, i + r + 1 - j), row(r));
}

// Where the triangle of each input lies.
struct Places {
  struct Place {
    uint64_t cols = 0, at = 0;
  };
  std::vector<Place> inputs;                           // by position in the file
  std::map<std::string, uint32_t> input_of;            // by linear layer
  std::unordered_map<std::string, uint32_t> first_of;  // the first layer of an input, which counts for all
  uint64_t values = 0;

  explicit Places(const ModelDescription& d) : inputs(d.inputs.size()) {
    for (const LinearRecord& linear : d.linears) {
      Place& place = inputs[linear.input];
      input_of.emplace(linear.name, linear.input);
      if (place.cols != 0) continue;
      place = {linear.cols, values};
      first_of.emplace(linear.name, linear.input);
      values += triangle_size(linear.cols);
    }
  }
};

class ProductSums final : public InputObserver {
 public:
  ProductSums(const Places& places, double* values) : places_(places), values_(values) {}

  void see(const LinearPlan& linear, const float* x, uint64_t stride, uint64_t tokens, Range columns) override {
    if (linear.name == "head" && columns.begin == 0) tokens_ += tokens;
    const auto found = places_.first_of.find(linear.name);
    if (found == places_.first_of.end()) return;
    const Places::Place& place = places_.inputs[found->second];
    const Range mine = rows_of(columns, place.cols);
    for (uint64_t i = mine.begin; i < mine.end; i += kBlock) {
      const uint64_t rows = std::min<uint64_t>(kBlock, mine.end - i);
      for (uint64_t j = 0; j < i + rows; j += kBlock) add_block(x, stride, tokens, i, j, rows, values_ + place.at);
    }
  }

  uint64_t tokens() const { return tokens_; }

 private:
  const Places& places_;
  double* values_;
  uint64_t tokens_ = 0;
};

}  // namespace

uint64_t InputHessians::bytes(const Model& model) { return Places(model.file().description()).values * sizeof(double); }

Result<InputHessians> InputHessians::collect(std::shared_ptr<const Model> model, std::span<const int32_t> text,
                                             const std::string& path, const StatisticsOptions& options,
                                             const ProgressCallback& progress) {
  const Places places(model->file().description());
  TERN_ASSIGN(ScratchFile memory, ScratchFile::create(path, places.values * sizeof(double)));
  auto* values = reinterpret_cast<double*>(memory.bytes().data());
  ProductSums sums(places, values);
  TERN_TRY(observe_text(std::move(model), text, options, sums, progress));
  InputHessians result(std::move(memory));
  result.tokens_ = sums.tokens();
  for (const auto& [linear, input] : places.input_of) {
    const Places::Place& place = places.inputs[input];
    const std::span<const double> triangle(values + place.at, triangle_size(place.cols));
    for (uint64_t i = 0; i < place.cols; ++i) {
      if (!std::isfinite(triangle[triangle_size(i) + i]))
        return corrupt(fmt::format("the inputs of layer '{}' are not finite", linear));
    }
    result.triangles_.emplace(linear, triangle);
  }
  return result;
}

std::map<std::string, std::vector<double>> InputHessians::mean_squares() const {
  std::map<std::string, std::vector<double>> result;
  for (const auto& [linear, triangle] : triangles_) {
    std::vector<double>& means = result[linear];
    for (uint64_t i = 0; triangle_size(i) < triangle.size(); ++i)
      means.push_back(triangle[triangle_size(i) + i] / static_cast<double>(tokens_));
  }
  return result;
}

}  // namespace tern
