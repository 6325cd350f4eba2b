// fit_vectors ROWS COLS LENGTH BITS PLANES GROUPS MODE FEEDBACK < float32 weights [ROWS][COLS], then float64 triangle
// of the Hessian > int8 codes [group][plane][2^BITS][LENGTH], float32 factors [PLANES], uint16 indices
// [PLANES][ROWS][positions], float32 scales [ROWS][PLANES], float32 decoded [ROWS][COLS]. MODE: 0 hessian, 1 plain, 2
// none. What tests/import/vq_oracle.py compares with its own computation.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "formats/quantize/vq_feedback.h"
#include "tests/tools/raw_values.h"

namespace tern {
namespace {

using test::read_values, test::write_values;

std::vector<VqSample> samples_of(const VqOptions& options, const std::vector<float>& weights, uint64_t cols) {
  const uint64_t group = vq_group_cols(options, cols);
  std::vector<VqSample> samples((cols + group - 1) / group);
  for (size_t row = 0; row < weights.size() / cols; ++row) {
    for (uint64_t c = 0; c < (cols + options.length - 1) / options.length * options.length; ++c) {
      samples[c / group].vectors.push_back(c < cols ? weights[row * cols + c] : 0);
      samples[c / group].importance.push_back(c < cols ? 1 : 0);
    }
  }
  return samples;
}

Status run(uint64_t rows, uint64_t cols, const VqOptions& options) {
  const std::vector<float> weights = read_values<float>(rows * cols);
  const std::vector<double> triangle = read_values<double>(cols * (cols + 1) / 2);
  std::vector<VqSample> samples = samples_of(options, weights, cols);
  TERN_ASSIGN(const VqBook book, train_vq(options, cols, samples));
  const uint64_t positions = (cols + options.length - 1) / options.length, stride = rows * positions;
  std::vector<uint16_t> indices(options.planes * stride);
  std::vector<float> scales(rows * options.planes), decoded(weights.size());
  TERN_ASSIGN(const HessianFactor factor, HessianFactor::create(triangle));
  VqFeedback feedback(book, factor);
  VqAssigner assigner(book, cols);
  for (uint64_t r = 0; r < rows;) {
    const uint64_t n = options.feedback ? std::min(kFeedbackRows, rows - r) : 1;
    const auto values = std::span(weights).subspan(r * cols, n * cols);
    const auto to = std::span(decoded).subspan(r * cols, n * cols);
    const auto factors = std::span(scales).subspan(r * options.planes, n * options.planes);
    if (options.feedback)
      feedback.assign(values, {}, &indices[r * positions], stride, factors, to);
    else
      assigner.assign(values, {}, &indices[r * positions], stride, factors, to);
    r += n;
  }
  write_values(book.codes), write_values(book.factors), write_values(indices);
  write_values(scales), write_values(decoded);
  return {};
}

}  // namespace
}  // namespace tern

int main(int argc, char** argv) {
  if (argc != 9) return 2;
  const auto number = [&](int i) { return static_cast<unsigned>(std::atoi(argv[i])); };
  tern::VqOptions options;
  options.length = static_cast<uint8_t>(number(3)), options.bits = static_cast<uint8_t>(number(4));
  options.planes = static_cast<uint8_t>(number(5)), options.groups = number(6);
  options.training = static_cast<tern::VqTraining>(number(7)), options.feedback = number(8) != 0;
  const tern::Status status = tern::run(number(1), number(2), options);
  if (status.ok()) return 0;
  std::fprintf(stderr, "fit_vectors: %s\n", status.message().c_str());
  return 1;
}
