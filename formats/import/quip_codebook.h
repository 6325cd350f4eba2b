// The codebooks of QuIP# (arXiv 2402.04396, section 4.2): E8P, 65,536 points of the lattice E8 + 1/4 made from 256
// absolute values, 8 signs and a shift; and 256 points of E8 for the third bit of a residual code.
#pragma once

#include <cstdint>
#include <vector>

namespace tern {

inline constexpr uint32_t kQuipLength = 8;

std::vector<float> e8p_codebook();          // [65536][8], multiples of 1/4, all points different
std::vector<float> e8_residual_codebook();  // [256][8]

}  // namespace tern
