#include "formats/encoding/trit5.h"

#include <cstring>

#include "formats/encoding/trit_columns.h"

namespace tern {

static_assert(trit5_byte(kTrit5ZeroNumber) == kTrit5ZeroByte);

void pack_trit5_tile(const Layout& layout, unsigned planes, uint64_t rows, uint64_t cols, const int8_t* trits,
                     uint64_t row_stride, uint64_t plane_stride, std::byte* tile) {
  constexpr int kPower[kTrit5Digits] = {81, 27, 9, 3, 1};
  std::memset(tile, kTrit5ZeroNumber, layout.tile_bytes);  // numbers first, then the bytes that stand for them
  for_each_trit_of_tile(layout, planes, rows, cols, trits, row_stride, plane_stride,
                        [&](uint64_t byte, unsigned place, int8_t trit) {
                          const int number = std::to_integer<int>(tile[byte]) + trit * kPower[place];
                          tile[byte] = static_cast<std::byte>(number);
                        });
  for (uint64_t i = 0; i < layout.tile_bytes; ++i) tile[i] = std::byte{trit5_byte(std::to_integer<unsigned>(tile[i]))};
}

void unpack_trit5_row(const Layout& layout, unsigned planes, uint64_t cols, const std::byte* tile, unsigned row,
                      unsigned plane, int8_t* trits) {
  for_each_trit(layout, planes, cols, row, plane, [&](uint64_t c, uint64_t byte, unsigned place) {
    trits[c] = static_cast<int8_t>(static_cast<int>(trit5_digit(std::to_integer<uint8_t>(tile[byte]), place)) - 1);
  });
}

}  // namespace tern
