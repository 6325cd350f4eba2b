// The encoding "trit" at 1.6 bits: five trits in a byte (docs/format.md, "trit"; bits = 1 in the tensor's record). The
// codes trit + 1 are the digits of a number v of base 3, most significant first; the byte is ceil(v * 256 / 243).
// With x_0 = byte and x_{k+1} = 3 x_k mod 256, digit k is floor(3 x_k / 256), for bytes that no writer makes too.
// A 64-byte block is 16 rows x 4 bytes: digit k of byte 4r + j is row r, column 20b + 4k + j of the group.
// Order: [tile][group][plane][block]. Padding: code 1 (zero).
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/encoding/encoding.h"

namespace tern {

inline constexpr uint8_t kTrit5Bits = 1;  // as Encoding::bits
inline constexpr uint32_t kTrit5Digits = 5;
inline constexpr uint32_t kTrit5BlockCols = 4 * kTrit5Digits;
inline constexpr unsigned kTrit5Numbers = 243;     // 3^5
inline constexpr unsigned kTrit5ZeroNumber = 121;  // 11111 of base 3: five trits of zero
inline constexpr uint8_t kTrit5ZeroByte = 0x80;

constexpr uint8_t trit5_byte(unsigned number) {
  return static_cast<uint8_t>((number * 256 + kTrit5Numbers - 1) / kTrit5Numbers);
}
constexpr unsigned trit5_digit(uint8_t byte, unsigned k) {
  unsigned x = byte;
  for (; k > 0; --k) x = 3 * x % 256;
  return 3 * x / 256;
}
constexpr bool trit5_valid(uint8_t byte) { return trit5_byte(byte * kTrit5Numbers / 256) == byte; }

// As those of trit2.h.
void pack_trit5_tile(const Layout& layout, unsigned planes, uint64_t rows, uint64_t cols, const int8_t* trits,
                     uint64_t row_stride, uint64_t plane_stride, std::byte* tile);
void unpack_trit5_row(const Layout& layout, unsigned planes, uint64_t cols, const std::byte* tile, unsigned row,
                      unsigned plane, int8_t* trits);

}  // namespace tern
