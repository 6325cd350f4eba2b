// Fairy2i's codes read back from a checkpoint that was saved after its weights had been quantized: blocks of U + W and
// U - W, where U and W are sums of stages with one pair of scales each (phase.h), every sum rounded to the type of the
// checkpoint. Greedy stages need not find these codes again, so the scales are looked for in the numbers themselves:
// where a part of W is zero, two blocks hold that part of U, and the other way round.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "formats/quantize/phase.h"

namespace tern {

class PhaseGrid {
 public:
  PhaseGrid(FloatType stored, unsigned stages) : stored_(stored), stages_(stages) {}

  // Rows r and n + r of the matrix. False once more magnitudes were seen than such sums have: this is no grid.
  bool add(std::span<const float> top, std::span<const float> bottom);

  // Scales of U and of W that give all magnitudes seen, and few others; none if there are none.
  std::optional<std::array<PhaseScales, 2>> scales() const;

  // How many numbers of a row of U and W their codes ([stage][U, W][m], phase.h) do not give to the bit.
  uint64_t differing(std::span<const float> top, std::span<const float> bottom,
                     const std::array<PhaseScales, 2>& scales, std::span<const uint8_t> codes) const;

 private:
  using Magnitudes = std::vector<float>;  // ascending, each once
  float rounded(float x) const;
  bool insert(Magnitudes& magnitudes, float value) const;
  Magnitudes sums_of(std::span<const float> scales) const;
  bool choose(const Magnitudes& seen, std::array<float, kMaxPhaseStages>& scales) const;

  FloatType stored_;
  unsigned stages_;
  std::array<std::array<Magnitudes, 2>, 2> seen_;  // of U and W, of the real and imaginary parts
};

}  // namespace tern
