#include "formats/quantize/recognise_ternary.h"

#include <cmath>

namespace tern {

bool TernaryRecogniser::add_row(std::span<const float> row) {
  float scale = 0;
  for (float v : row) {
    const float magnitude = std::fabs(v);
    if (magnitude == 0 || magnitude == scale) continue;
    if (scale != 0) return ternary_ = false;
    scale = magnitude;
  }
  row_scales_.push_back(scale);
  if (tensor_scale_ == 0) tensor_scale_ = scale;
  if (scale != 0 && scale != tensor_scale_) one_scale_ = false;
  return ternary_;
}

void sign_trits(std::span<const float> values, std::span<int8_t> trits) {
  for (size_t i = 0; i < values.size(); ++i) trits[i] = static_cast<int8_t>((values[i] > 0) - (values[i] < 0));
}

}  // namespace tern
