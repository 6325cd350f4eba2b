// PTQTP's two trit planes read back from a release that holds their sums as dense numbers (formats/quantize/ptqtp.h).
// A group of weights must hold no other magnitudes than 0, a1 - a2, a2, a1 and a1 + a2, each rounded to the
// release's float type, for some a1 >= a2 >= 0. Nothing is fitted: a group has such scales, or it is not recovered.
#pragma once

#include <cstdint>
#include <span>

#include "formats/encoding/encoding.h"

namespace tern {

class PlaneRecovery {
 public:
  // stored: the type of the release's weights; scale_type: that of the scales to find.
  PlaneRecovery(FloatType stored, FloatType scale_type) : stored_(stored), scale_type_(scale_type) {}

  // True if scales of this type exist. Then weight i is scales[0] * trits[i] + scales[1] * trits[plane_stride + i],
  // rounded to `stored`. Magnitudes that leave a choice take the scales themselves before their sum and difference;
  // a single one is plane 0 alone. REQUIRES finite weights.
  bool recover(std::span<const float> weights, int8_t* trits, size_t plane_stride, std::span<float, 2> scales) const;

 private:
  FloatType stored_, scale_type_;
};

}  // namespace tern
