#include "runtime/model/row_step.h"

#include <cmath>
#include <cstring>

#include "base/checked.h"
#include "kernels/hadamard/hadamard.h"

namespace tern {
namespace {

void permute(const RowStep& step, uint64_t n, float* x, float* scratch) {
  std::memcpy(scratch, x, n * sizeof(float));
  for (uint64_t k = 0; k < n; ++k) x[k] = scratch[step.permutation[k]];
}

void transform(const RowStep& step, const ElementKernels& kernels, uint64_t n, float* x, float* scratch) {
  const auto given = [](const std::vector<float>& v) { return v.empty() ? nullptr : v.data(); };
  // sqrt and division of doubles are correctly rounded: the same factor everywhere.
  const auto factor = static_cast<float>(1 / std::sqrt(static_cast<double>(step.order * step.length)));
  kernels.hadamard({given(step.values), given(step.matrix), step.order, step.length, factor}, n, x, scratch);
}

// The tiles of a run may hold rows of its neighbours: whole tiles go to scratch, the run's rows from there to x.
void rotate(const RowStep& step, uint64_t n, float* x, uint64_t stride, uint64_t rows, float* scratch,
            std::byte* kernel_scratch) {
  const uint64_t block = step.weight.cols, width = align_up(n, kTileRows);
  for (uint64_t begin = 0; begin < n; begin += block) {
    InputView in;
    in.tokens = rows, in.x = x + begin, in.x_stride = stride;
    const TileRange tiles{begin / kTileRows, ceil_div(begin + block, kTileRows)};
    step.kernel->run(step.weight, in, {scratch, width}, tiles, kernel_scratch);
    for (uint64_t r = 0; r < rows; ++r) {
      std::memcpy(x + r * stride + begin, scratch + r * width + begin, block * sizeof(float));
    }
  }
}

void apply_to_row(const RowStep& step, const ElementKernels& kernels, uint64_t n, float* x, float* scratch) {
  using Kind = RowStep::Kind;
  if (step.kind == Kind::scale) kernels.multiply(step.values.data(), n, x);
  if (step.kind == Kind::permute) permute(step, n, x, scratch);
  if (step.kind == Kind::hadamard) transform(step, kernels, n, x, scratch);
  if (step.kind == Kind::normalize) kernels.rms_norm(x, step.values.data(), step.epsilon, n, x);
}

}  // namespace

uint64_t step_scratch(const RowStep& step, uint64_t n, uint64_t rows) {
  if (step.kind == RowStep::Kind::rotate) return rows * align_up(n, kTileRows);
  return step.kind == RowStep::Kind::permute || step.kind == RowStep::Kind::hadamard ? n : 0;
}

void apply_step(const RowStep& step, const ElementKernels& kernels, uint64_t n, float* x, uint64_t stride,
                uint64_t rows, float* scratch, std::byte* kernel_scratch) {
  if (step.kind == RowStep::Kind::rotate) return rotate(step, n, x, stride, rows, scratch, kernel_scratch);
  for (uint64_t r = 0; r < rows; ++r) apply_to_row(step, kernels, n, x + r * stride, scratch);
}

}  // namespace tern
