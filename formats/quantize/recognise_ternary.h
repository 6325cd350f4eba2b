// Finds out whether a float matrix already holds {-s, 0, s}, with one s for the matrix or one a row, so that it can
// be stored as trits without loss.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "formats/encoding/encoding.h"

namespace tern {

// Fed row by row, in order. One thread.
class TernaryRecogniser {
 public:
  // False as soon as the matrix cannot be ternary: the caller may stop reading.
  bool add_row(std::span<const float> row);

  bool ternary() const { return ternary_; }
  bool all_zero() const { return tensor_scale_ == 0; }
  // One scale for the matrix if that is enough, else one a row (0 for rows of zeros).
  ScaleScope scope() const { return one_scale_ ? ScaleScope::tensor : ScaleScope::row; }
  std::vector<float> scales() const { return one_scale_ ? std::vector<float>{tensor_scale_} : row_scales_; }

 private:
  bool ternary_ = true, one_scale_ = true;
  float tensor_scale_ = 0;  // of the first row that is not all zero
  std::vector<float> row_scales_;
};

// t = sign(w): the trits of a matrix that was recognised.
void sign_trits(std::span<const float> values, std::span<int8_t> trits);

}  // namespace tern
