// A row-major matrix of f32, f16 or bf16 in a mapped checkpoint.
#pragma once

#include "formats/import/byte_view.h"
#include "formats/import/source_model.h"

namespace tern {

class DenseMatrix final : public SourceMatrix {
 public:
  // REQUIRES values.bytes = rows * cols * float_bytes(type).
  DenseMatrix(ByteView values, FloatType type, uint64_t rows, uint64_t cols);
  // Refuses NaN and infinity, naming the tensor and the place.
  Status read_rows(uint64_t begin, uint64_t count, std::span<float> out) const override;

 private:
  ByteView values_;
};

}  // namespace tern
