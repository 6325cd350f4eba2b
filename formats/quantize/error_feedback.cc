#include "formats/quantize/error_feedback.h"

#include <algorithm>

#include "base/checked.h"

namespace tern {
namespace {

constexpr uint64_t kBlock = 128;  // columns whose errors are passed on together
constexpr uint64_t kStrip = 64;   // columns that they are passed on to at a time

// to[k] += sum over j in [begin, end) of e[j] R(j, k), k in [first, last); every sum in ascending j.
void add_rows(const QuantizeKernels& kernels, const FactorBlock& r, const float* e, uint64_t begin, uint64_t end,
              uint64_t first, uint64_t last, float* to) {
  kernels.add_rows(r.row(begin) + first, r.stride(), end - begin, e + begin, last - first, to + first);
}

// The same for many rows. They share a part of R, copied: its rows would lie whole pages apart, in the same few lines
// of the first cache.
void pass_on(const QuantizeKernels& kernels, const FactorBlock& r, const float* e, uint64_t rows, uint64_t begin,
             uint64_t end, uint64_t first, float* to) {
  const uint64_t cols = r.cols();
  std::vector<float> part((end - begin) * kStrip);
  for (uint64_t k = first; k < cols; k += kStrip) {
    const uint64_t width = std::min(kStrip, cols - k);
    for (uint64_t j = begin; j < end; ++j) std::copy_n(r.row(j) + k, width, &part[(j - begin) * kStrip]);
    for (uint64_t i = 0; i < rows; ++i)
      kernels.add_rows(part.data(), kStrip, end - begin, e + i * cols + begin, width, to + i * cols + k);
  }
}

}  // namespace

ErrorFeedback::ErrorFeedback(const FactorBlock& r, uint64_t rows, uint64_t width, const QuantizeKernels& kernels)
    : r_(r), kernels_(kernels), block_(align_up(kBlock, width)), carried_(rows * r.cols()), errors_(rows * r.cols()) {}

void ErrorFeedback::start(uint64_t rows) {
  rows_ = rows;
  std::fill(carried_.begin(), carried_.end(), 0.f);
}

void ErrorFeedback::settle(uint64_t begin, uint64_t end) {
  const uint64_t block = begin / block_ * block_, block_end = std::min(r_.cols(), block + block_);
  for (uint64_t i = 0; i < rows_; ++i)
    add_rows(kernels_, r_, errors(i), begin, end, end, block_end, &carried_[i * r_.cols()]);
  if (end == block_end) pass_on(kernels_, r_, errors_.data(), rows_, block, end, end, carried_.data());
}

void multiply_by_factor(const FactorBlock& r, std::span<const float> x, std::span<float> out,
                        const QuantizeKernels& kernels) {
  const uint64_t cols = r.cols(), rows = x.size() / cols;
  std::fill(out.begin(), out.end(), 0.f);
  for (uint64_t j = 0; j < cols; j += kBlock)
    pass_on(kernels, r, x.data(), rows, j, std::min(cols, j + kBlock), j, out.data());
}

}  // namespace tern
