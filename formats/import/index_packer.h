// Packs what consists of indices: index vectors, and matrices of vectors tile by tile. Nothing is computed, so nothing
// is lost.
#pragma once

#include <vector>

#include "base/status.h"
#include "formats/import/matrix_plan.h"

namespace tern {

class IndexPacker {
 public:
  // REQUIRES an encoding of kind index or vector. The plan must live longer.
  static Result<IndexPacker> create(const MatrixPlan& plan);

  uint64_t parts() const;  // tiles; 1 of an index vector
  // codes() and scales() then hold the bytes of this part in file order. Scales of the whole tensor come with the
  // first.
  Status pack(uint64_t part);
  const std::vector<std::byte>& codes() const { return codes_; }
  const std::vector<std::byte>& scales() const { return scales_; }

 private:
  IndexPacker(const MatrixPlan& plan, const Layout& layout) : plan_(&plan), layout_(layout) {}
  Status pack_tile(uint64_t tile);
  Status pack_scales(uint64_t tile);

  const MatrixPlan* plan_;
  Layout layout_;
  std::vector<uint32_t> indices_;
  std::vector<uint16_t> narrow_;
  std::vector<float> scale_values_;
  std::vector<std::byte> codes_, scales_;
};

}  // namespace tern
