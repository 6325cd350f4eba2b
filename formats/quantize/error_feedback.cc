#include "formats/quantize/error_feedback.h"

#include <algorithm>

#include "base/checked.h"

namespace tern {
namespace {

constexpr uint64_t kBlock = 128;

// to[k] += sum over j in [begin, end) of e[j] R(j, k), k in [first, last); every sum in ascending j.
void add_rows(const FactorBlock& r, const float* e, uint64_t begin, uint64_t end, uint64_t first, uint64_t last,
              float* to) {
  uint64_t j = begin;
  for (; j + 4 <= end; j += 4) {
    const float *r0 = r.row(j), *r1 = r.row(j + 1), *r2 = r.row(j + 2), *r3 = r.row(j + 3);
    for (uint64_t k = first; k < last; ++k)
      to[k] = (((to[k] + e[j] * r0[k]) + e[j + 1] * r1[k]) + e[j + 2] * r2[k]) + e[j + 3] * r3[k];
  }
  for (; j < end; ++j) {
    const float* row = r.row(j);
    for (uint64_t k = first; k < last; ++k) to[k] += e[j] * row[k];
  }
}

// The same for many rows: a part of R serves all of them while it is in the cache.
void pass_on(const FactorBlock& r, const float* e, uint64_t rows, uint64_t begin, uint64_t end, uint64_t first,
             float* to) {
  const uint64_t cols = r.cols();
  for (uint64_t k = first; k < cols; k += kBlock) {
    for (uint64_t i = 0; i < rows; ++i)
      add_rows(r, e + i * cols, begin, end, k, std::min(cols, k + kBlock), to + i * cols);
  }
}

}  // namespace

ErrorFeedback::ErrorFeedback(const FactorBlock& r, uint64_t rows, uint64_t width)
    : r_(r), block_(align_up(kBlock, width)), carried_(rows * r.cols()), errors_(rows * r.cols()) {}

void ErrorFeedback::start(uint64_t rows) {
  rows_ = rows;
  std::fill(carried_.begin(), carried_.end(), 0.f);
}

void ErrorFeedback::settle(uint64_t begin, uint64_t end) {
  const uint64_t block = begin / block_ * block_, block_end = std::min(r_.cols(), block + block_);
  for (uint64_t i = 0; i < rows_; ++i) add_rows(r_, errors(i), begin, end, end, block_end, &carried_[i * r_.cols()]);
  if (end == block_end) pass_on(r_, errors_.data(), rows_, block, end, end, carried_.data());
}

void multiply_by_factor(const FactorBlock& r, std::span<const float> x, std::span<float> out) {
  const uint64_t cols = r.cols(), rows = x.size() / cols;
  std::fill(out.begin(), out.end(), 0.f);
  for (uint64_t j = 0; j < cols; j += kBlock) pass_on(r, x.data(), rows, j, std::min(cols, j + kBlock), j, out.data());
}

}  // namespace tern
