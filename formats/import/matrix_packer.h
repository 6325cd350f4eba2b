// Packs blocks of rows of one source matrix into its encoding and measures what the packing lost, by decoding
// every tile again.
#pragma once

#include <cstdint>
#include <vector>

#include "base/status.h"
#include "formats/encoding/encoding.h"
#include "formats/import/convert_plan.h"

namespace tern {

class MatrixPacker {
 public:
  static Result<MatrixPacker> create(const MatrixPlan& plan);

  // Rows to pack: the matrix's, or of phases half of them, row r standing for r and rows / 2 + r.
  uint64_t rows() const { return plan_->source->rows / halves(); }
  // Rows of a block: whole tiles, as many as fit a few MiB.
  uint64_t block_rows() const;
  // Bytes that packing a matrix of this width needs at most.
  static uint64_t working_bytes(uint64_t cols, unsigned threads);

  // Packs rows [begin, begin + count), begin a multiple of block_rows; codes() and scales() then hold the bytes
  // of these tiles in file order. Scales of the whole tensor come with the first block.
  Status pack(uint64_t begin, uint64_t count);
  const std::vector<std::byte>& codes() const { return codes_; }
  const std::vector<std::byte>& scales() const { return scales_; }

  bool exact() const { return exact_; }
  double relative_error() const;  // Frobenius, over what was packed so far

 private:
  MatrixPacker(const MatrixPlan& plan, Layout layout);
  Status read_block(uint64_t begin, uint64_t count);
  void round_to_codes(uint64_t count);
  void fit_planes(uint64_t count);
  void pack_scales(uint64_t count);
  void pack_tile(uint64_t tile, uint64_t rows);
  void measure_tile(uint64_t tile, uint64_t rows, uint64_t count, float* decoded);
  Status add_up(uint64_t begin, uint64_t tiles);
  uint64_t scales_per_row() const;
  uint64_t halves() const { return plan_->phase ? 2 : 1; }

  struct TileError {
    double error = 0, norm = 0;  // squared
    bool exact = true, finite = true;
  };

  const MatrixPlan* plan_;
  Layout layout_;
  std::vector<float> values_, scale_values_, decoded_;
  std::vector<int8_t> q_;
  std::vector<uint8_t> phases_;
  std::vector<std::byte> codes_, scales_;
  std::vector<TileError> tile_errors_;
  double error_ = 0, norm_ = 0;
  bool exact_ = true;
};

}  // namespace tern
