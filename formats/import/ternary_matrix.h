// Matrices whose weights are scale * {-1, 0, 1}: packed by BitNet's publisher, or found in dense masters.
#pragma once

#include <memory>
#include <vector>

#include "formats/import/byte_view.h"
#include "formats/import/source_model.h"

namespace tern {

// BitNet's packed uint8 [rows / 4, cols]: byte [r, c], bits 2i..2i+1, is row r + i * rows / 4, code = trit + 1
// (transformers integrations/bitnet.py, unpack_weights). One scale for the matrix.
class PackedBitnetMatrix final : public SourceMatrix {
 public:
  // REQUIRES codes.bytes = rows / 4 * cols, rows a multiple of 4.
  PackedBitnetMatrix(ByteView codes, float scale, uint64_t rows, uint64_t cols);

  // Reads every code: refuses code 3, and matrices whose codes are all alike (damaged uploads).
  Status check() const;

  Status read_rows(uint64_t begin, uint64_t count, std::span<float> out) const override;
  Status read_codes(uint64_t begin, uint64_t count, std::span<int8_t> out) const override;
  Status read_scales(uint64_t begin, uint64_t count, std::span<float> out) const override;

 private:
  void decode_row(uint64_t row, std::span<int8_t> out) const;
  void release_rows(uint64_t begin, uint64_t count) const;
  ByteView codes_;
  float scale_;
};

// A ternary reading of a dense matrix.
class TernaryMatrix final : public SourceMatrix {
 public:
  enum class Rule { sign, absmean };  // recognised as ternary, or rounded (formats/quantize)

  // `dense` is borrowed and must live longer. Tensor scope: one scale; row scope (sign only): one a row.
  TernaryMatrix(const SourceMatrix& dense, Rule rule, ScaleScope scope, std::vector<float> scales);
  // The same, owning the dense matrix.
  TernaryMatrix(std::unique_ptr<SourceMatrix> dense, Rule rule, ScaleScope scope, std::vector<float> scales);

  Status read_rows(uint64_t begin, uint64_t count, std::span<float> out) const override;
  Status read_codes(uint64_t begin, uint64_t count, std::span<int8_t> out) const override;
  Status read_scales(uint64_t begin, uint64_t count, std::span<float> out) const override;

 private:
  void round(std::span<const float> values, std::span<int8_t> trits) const;
  std::unique_ptr<SourceMatrix> owned_;
  const SourceMatrix& dense_;
  Rule rule_;
  std::vector<float> scales_;
};

// What one reading pass over a dense matrix says about it.
struct TernaryScan {
  bool ternary = false, all_zero = false;
  ScaleScope scope = ScaleScope::tensor;
  std::vector<float> scales;  // of a ternary matrix
  float gamma = 0;            // absmean; 0 unless asked for
};

// Without `with_gamma`, reading stops at the first weight that shows the matrix is not ternary.
Result<TernaryScan> scan_ternary(const SourceMatrix& dense, bool with_gamma);

}  // namespace tern
