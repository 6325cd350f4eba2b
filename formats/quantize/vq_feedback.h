// Vectors along the input axis with error feedback (GPTVQ, arXiv 2402.15319): the vectors of a row are quantized in
// order, each for its columns as the errors of the columns before leave them, and nearest by the loss itself, the
// squared length of (x - entry) R_BB + carried_B (error_feedback.h), where GPTVQ weighs by a diagonal. One factor then
// fits the row's scales to the same loss.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "formats/quantize/error_feedback.h"
#include "formats/quantize/vq.h"

namespace tern {

inline constexpr uint64_t kFeedbackRows = 64;  // that share the entries of a position, times R_BB

class VqFeedback {
 public:
  // The book and the factor, of as many columns as the rows have, must live longer. One thread at a time.
  VqFeedback(const VqBook& book, const FactorBlock& r);
  // Bytes that one such object sets aside, at most.
  static uint64_t working_bytes(uint64_t cols) { return kFeedbackRows * cols * 24; }

  // As VqAssigner::assign, for 1 to kFeedbackRows rows: values [rows][cols], indices [plane][row][position] with
  // plane_stride, scales [rows][planes], decoded [rows][cols]. carried: [rows][cols], the errors of columns before the
  // block times R, or empty.
  void assign(std::span<const float> values, std::span<const float> carried, uint16_t* indices, uint64_t plane_stride,
              std::span<float> scales, std::span<float> decoded);

 private:
  void turn_entries(uint64_t position);
  void choose(uint64_t row, uint64_t position, uint16_t* indices, uint64_t plane_stride);

  const VqBook& book_;
  FactorBlock r_;
  VqAssigner unit_;
  ErrorFeedback feedback_;
  std::vector<float> centers_, turned_, ones_;  // turned_: entries times R_BB
  // [row][cols], in units of the row: x; carried + (x - q) R; carried + x R.
  std::vector<float> x_, losses_, targets_;
};

}  // namespace tern
