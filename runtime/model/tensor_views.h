// The tensors of a file as plans hold them: matrices and index arrays as views into the map, vectors as f32 copies.
// What a plan relies on beyond the description is scanned here, once at load.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "formats/tern/reader.h"
#include "kernels/linear/linear.h"
#include "kernels/sparse/sparse.h"

namespace tern {

class TensorViews {
 public:
  // REQUIRES that the file's description is valid, that tensors are used as it says, and that it outlives the views.
  explicit TensorViews(const TernFile& file) : file_(file) {}

  Result<WeightView> matrix(uint32_t tensor) const;
  // A plain tensor, rows one after the other; by name: empty if the file has none.
  Result<std::vector<float>> values(uint32_t tensor) const;
  Result<std::vector<float>> values(const std::string& name) const;
  // A plain tensor of 1 and -1, or none (kNoTensor); another value is refused.
  Result<std::vector<float>> signs(uint32_t tensor) const;
  // An index vector that holds every number below its length once.
  Result<const uint32_t*> permutation(uint32_t tensor) const;
  // A sparse matrix of `rows` rows whose columns are below `cols`.
  Result<SparseView> sparse(const Term& term) const;

 private:
  const TensorRecord& record(uint32_t tensor) const { return file_.description().tensors[tensor]; }
  std::span<const uint32_t> indices(uint32_t tensor) const;
  const TernFile& file_;
};

}  // namespace tern
