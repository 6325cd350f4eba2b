// Matrices whose rows, columns and groups end inside and at the borders of tiles and blocks, and codes for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/random.h"

namespace tern {

struct TileShape {
  uint64_t rows, cols;
  uint32_t group;  // 0: none
};

inline std::vector<int8_t> random_codes(size_t count, int low, int high, uint64_t seed) {
  Random random(seed);
  std::vector<int8_t> codes(count);
  for (int8_t& code : codes) code = static_cast<int8_t>(low + static_cast<int>(random.below(high - low + 1)));
  return codes;
}

constexpr std::byte kBeyondTile{0xa5};  // must stay after what is written

}  // namespace tern
