// Dense matrices that hold the sums of PTQTP's two trit planes (formats/quantize/ptqtp_recover.h).
#pragma once

#include <cstdint>

#include "formats/import/source_model.h"

namespace tern {

// What one reading pass over a dense matrix says about it.
struct PlaneScan {
  uint64_t groups = 0, strange = 0;  // strange: that are not two planes
  uint64_t first_strange_row = 0, first_strange_col = 0;
  FloatType scale_type = FloatType::f16;  // f32 if f16 scales do not give every weight

  bool recovered() const { return strange == 0; }
  // Neither planes nor an ordinary dense matrix: something went wrong with it.
  bool damaged() const { return strange != 0 && strange * 2 <= groups; }
};

// Looks for scales per `group` columns.
Result<PlaneScan> scan_planes(const SourceMatrix& dense, uint32_t group);

class PlaneMatrix final : public SourceMatrix {
 public:
  // REQUIRES a matrix whose scan says `recovered` with this group and scale type; borrowed, must live longer.
  PlaneMatrix(const SourceMatrix& dense, uint32_t group, FloatType scale_type);

  Status read_rows(uint64_t begin, uint64_t count, std::span<float> out) const override;
  // out: [2][count][cols].
  Status read_codes(uint64_t begin, uint64_t count, std::span<int8_t> out) const override;
  // out: [count][groups][2].
  Status read_scales(uint64_t begin, uint64_t count, std::span<float> out) const override;

 private:
  Status read(uint64_t begin, uint64_t count, std::span<int8_t> trits, std::span<float> scales) const;
  const SourceMatrix& dense_;
  uint32_t group_;
  FloatType scale_type_;
};

}  // namespace tern
