// Outlier columns of vectors along the input axis (`--weights vq --outliers`): a layer becomes a composition whose
// input is permuted, the columns with most energy first, with one term over these and one over the others. Each part is
// a matrix of its own that is quantized as it is read.
#pragma once

#include <memory>
#include <vector>

#include "base/status.h"
#include "formats/import/convert.h"
#include "formats/import/source_model.h"

namespace tern {

// Some columns of a dense matrix, in the order of the permuted input.
class ColumnsMatrix final : public SourceMatrix {
 public:
  using Order = std::vector<uint32_t>;  // stored column s is column order[s]

  // Columns order[begin] to order[end - 1].
  ColumnsMatrix(std::shared_ptr<const SourceMatrix> whole, std::shared_ptr<const Order> order, uint64_t begin,
                uint64_t end);
  Status read_rows(uint64_t first, uint64_t count, std::span<float> out) const override;

  const SourceMatrix& whole() const { return *whole_; }
  const Order& order() const { return *order_; }
  uint64_t begin() const { return begin_; }
  bool outliers() const { return begin_ == 0; }

 private:
  std::shared_ptr<const SourceMatrix> whole_;
  std::shared_ptr<const Order> order_;
  uint64_t begin_;
};

// Splits the dense linear layers of the blocks as options.vq and options.calibration say; the model is then converted
// with these options. Layers that read the same energies share a permutation. Refuses a layer that has no energies.
Status split_outliers(SourceModel& source, const ConvertOptions& options);

}  // namespace tern
