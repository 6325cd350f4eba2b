// Fairy2i's codes read back from a checkpoint that was saved after its weights had been quantized: blocks of U + W and
// U - W, where U and W are sums of stages, rounded to the type of the checkpoint at every sum. A grid is a region that
// shares a pair of scales a stage (phase.h). Greedy stages need not find these codes again, so the scales are looked
// for in the numbers themselves: where a part of W is zero, two blocks hold that part of U, and the other way round.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/quantize/phase.h"

namespace tern {

struct PhaseColumns {
  uint64_t first = 0, count = 0;
  uint64_t end() const { return first + count; }
};

class PhaseGrid {
 public:
  PhaseGrid(FloatType stored, unsigned stages) : stored_(stored), stages_(stages) {}

  // Some columns of each half of rows r and n + r of the matrix. False once more magnitudes were seen than such sums
  // have: this is no grid.
  bool add(std::span<const float> top, std::span<const float> bottom, PhaseColumns columns);

  // Scales of U and of W that give all magnitudes seen, those with few others first; none if there are none. There may
  // be several: where one scale is about twice another, rounded sums do not tell a difference of the two from the
  // smaller one.
  std::vector<std::array<PhaseScales, 2>> scales() const;

  // How many numbers of these columns of a row of U and W their codes ([stage][U, W][m], phase.h) do not give to the
  // bit.
  uint64_t differing(std::span<const float> top, std::span<const float> bottom, PhaseColumns columns,
                     const std::array<PhaseScales, 2>& scales, std::span<const uint8_t> codes) const;

 private:
  using Magnitudes = std::vector<float>;  // ascending, each once
  using Scales = std::array<float, kMaxPhaseStages>;
  float rounded(float x) const;
  bool insert(Magnitudes& magnitudes, float value) const;
  Magnitudes sums_of(std::span<const float> scales) const;
  std::vector<Scales> choices(const Magnitudes& seen) const;

  FloatType stored_;
  unsigned stages_;
  std::array<std::array<Magnitudes, 2>, 2> seen_;  // of U and W, of the real and imaginary parts
};

}  // namespace tern
