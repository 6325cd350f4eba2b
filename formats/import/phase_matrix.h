// A matrix of floats read as the phase codes of its widely-linear form (formats/quantize/phase.h): row r of U and W is
// made of rows r and rows / 2 + r of the floats, so both are read together.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "formats/import/source_model.h"
#include "formats/quantize/phase.h"

namespace tern {

inline constexpr uint64_t kPhaseTile = kScaleTileRows;

struct PhaseForm {
  PhaseOptions options;
  PhaseRegion region = PhaseRegion::tensor;
  bool conjugate_only = false;  // U is zero and left out (iFairy: y = w conj(x))
};

using PhasePair = std::array<PhaseScales, 2>;  // of U and W

class PhaseMatrix final : public SourceMatrix {
 public:
  // With one scale pair a matrix this reads all of it, pass after pass; with others once in bf16 arithmetic, to count
  // what is doubtful. `dense` is borrowed and must live longer, or owned. REQUIRES even rows and cols.
  static Result<std::unique_ptr<PhaseMatrix>> fit(const SourceMatrix& dense, const PhaseForm& phases);
  static Result<std::unique_ptr<PhaseMatrix>> fit(std::unique_ptr<SourceMatrix> dense, const PhaseForm& phases);

  // Codes for scales of U and W that are known: of each region, [region_rows() rows][groups()]. `dense` is borrowed.
  PhaseMatrix(const SourceMatrix& dense, const PhaseForm& phases, std::vector<PhasePair> regions);
  void own(std::unique_ptr<SourceMatrix> dense) { owned_ = std::move(dense); }

  const PhaseForm& phases() const { return phases_; }
  unsigned parts() const { return phases_.conjugate_only ? 1 : 2; }  // U and W, or W
  uint64_t half_rows() const { return rows / 2; }
  uint64_t half_cols() const { return cols / 2; }
  uint64_t groups() const;       // scale pairs along a row
  uint64_t region_rows() const;  // complex rows that share them; the last tile has those that are left

  // What an f32 mean could change of a reading in bf16 arithmetic: scales, and codes of the stages behind them.
  uint64_t doubtful_scales() const { return doubtful_scales_; }
  uint64_t doubtful_codes() const { return doubtful_codes_; }

  // Rows [begin, begin + count) of U and W; begin a multiple of kPhaseTile where tiles share scales.
  // codes: [stage][U, W][count][half_cols], 0..3 for 1, i, -1, -i; scales: [count][groups][stage][U, W][re, im], for
  // the tensor's own [stage][U, W][re, im].
  Status read_phases(uint64_t begin, uint64_t count, std::span<uint8_t> codes, std::span<float> scales) const;
  // The values of the codes: sums of the stages, then of U and W, each rounded as the arithmetic says.
  Status read_rows(uint64_t begin, uint64_t count, std::span<float> out) const override;

 private:
  struct Block;
  struct Cell;
  struct Fitted;
  PhaseMatrix(const SourceMatrix& dense, const PhaseForm& phases);
  Status fit_tensor();
  Status count_doubtful();
  Status read_half(uint64_t begin, uint64_t count, bool bottom, std::span<float> out) const;
  Result<Block> read_block(uint64_t begin, uint64_t count) const;
  uint64_t cells(uint64_t count) const;
  Cell cell_of(uint64_t index, uint64_t count) const;
  Fitted fit_cell(const Block& block, const Cell& cell) const;
  template <class Visit>
  Status each_block(Visit visit) const;

  std::unique_ptr<SourceMatrix> owned_;
  const SourceMatrix& dense_;
  PhaseForm phases_;
  std::vector<PhasePair> regions_;  // where they are known: the tensor's, or those of a matrix saved quantized
  PhasePair other_;                 // of the tensor, where it has one pair a stage
  uint64_t doubtful_scales_ = 0, doubtful_codes_ = 0;
};

}  // namespace tern
