#include "formats/quantize/vq_feedback.h"

#include <algorithm>
#include <cmath>

namespace tern {

VqFeedback::VqFeedback(const VqBook& book, const FactorBlock& r)
    : book_(book),
      r_(r),
      unit_(book, r.cols()),
      feedback_(r, kFeedbackRows, book.options.length, *book.options.kernels),
      centers_(book.centers()),
      turned_(size_t{book.options.planes} * book.options.length * book.entries()),
      ones_(book.options.length, 1.f),
      x_(kFeedbackRows * r.cols()),
      losses_(x_.size()),
      targets_(x_.size()) {}

// [plane][value][entry]; values beyond the last column stay 0.
void VqFeedback::turn_entries(uint64_t position) {
  const uint64_t length = book_.options.length, begin = position * length, entries = book_.entries();
  const uint64_t width = std::min(length, r_.cols() - begin);
  const float* centers = &centers_[book_.group_at(position)];
  std::fill(turned_.begin(), turned_.end(), 0.f);
  for (uint64_t p = 0; p < book_.options.planes; ++p) {
    for (uint64_t i = 0; i < width; ++i) {
      float* to = &turned_[(p * length + i) * entries];
      for (uint64_t j = 0; j <= i; ++j) {
        const float factor = r_.row(begin + j)[begin + i];
        const float* from = centers + (p * length + j) * entries;
        for (uint64_t k = 0; k < entries; ++k) to[k] += from[k] * factor;
      }
    }
  }
}

void VqFeedback::choose(uint64_t row, uint64_t position, uint16_t* indices, uint64_t plane_stride) {
  const uint64_t length = book_.options.length, begin = position * length, entries = book_.entries();
  const uint64_t end = std::min(begin + length, r_.cols());
  const float* x = &x_[row * r_.cols()];
  float target[32] = {};
  for (uint64_t i = begin; i < end; ++i) {
    target[i - begin] = feedback_.carried(row)[i];
    for (uint64_t j = begin; j <= i; ++j) target[i - begin] += x[j] * r_.row(j)[i];
  }
  choose_entries(book_, target, ones_.data(), turned_.data(), indices, plane_stride);
  const float* centers = &centers_[book_.group_at(position)];
  for (uint64_t i = 0; i < end - begin; ++i) {
    float error = x[begin + i], loss = target[i];
    for (uint64_t p = 0; p < book_.options.planes; ++p) {
      const uint64_t at = (p * length + i) * entries + indices[p * plane_stride];
      error -= centers[at], loss -= turned_[at];
    }
    feedback_.errors(row)[begin + i] = error;
    losses_[row * r_.cols() + begin + i] = loss;
  }
}

void VqFeedback::assign(std::span<const float> values, std::span<const float> carried, uint16_t* indices,
                        uint64_t plane_stride, std::span<float> scales, std::span<float> decoded) {
  const uint64_t cols = r_.cols(), rows = values.size() / cols, length = book_.options.length;
  const uint64_t positions = (cols + length - 1) / length, planes = book_.options.planes;
  std::vector<float> units(rows);
  for (uint64_t row = 0; row < rows; ++row) {
    const auto own = values.subspan(row * cols, cols);
    units[row] = unit_.unit(own, {}, indices + row * positions, plane_stride);
    for (uint64_t c = 0; c < cols; ++c) x_[row * cols + c] = units[row] > 0 ? own[c] / units[row] : 0;
  }
  feedback_.start(rows);
  const auto in_units = [&](uint64_t i) {  // of the row that value i belongs to
    const float unit = units[i / cols];
    return unit > 0 ? carried[i] / unit : 0;
  };
  for (uint64_t i = 0; i < carried.size(); ++i) feedback_.carried(i / cols)[i % cols] = in_units(i);
  for (uint64_t position = 0; position < positions; ++position) {
    turn_entries(position);
    for (uint64_t row = 0; row < rows; ++row) choose(row, position, indices + row * positions + position, plane_stride);
    feedback_.settle(position * length, std::min(cols, (position + 1) * length));
  }
  multiply_by_factor(r_, std::span(x_).first(rows * cols), targets_, *book_.options.kernels);
  for (uint64_t i = 0; i < carried.size(); ++i) targets_[i] += in_units(i);
  for (uint64_t row = 0; row < rows; ++row) {
    double product = 0, norm = 0;
    for (uint64_t c = row * cols; c < (row + 1) * cols; ++c) {
      const double q = static_cast<double>(targets_[c]) - losses_[c];
      product += targets_[c] * q, norm += q * q;
    }
    const double fit = norm > 0 ? product / norm : 0;
    store_vq_row(book_, fit * units[row], indices + row * positions, plane_stride, scales.subspan(row * planes, planes),
                 decoded.subspan(row * cols, cols));
  }
}

}  // namespace tern
