#include "formats/tern/byte_alphabet.h"

#include <array>

namespace tern {
namespace {

constexpr uint32_t kFirstExtra = 0x100;

constexpr bool stands_for_itself(uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
}

struct Alphabet {
  std::array<uint16_t, 256> character{};
  std::array<int16_t, kFirstExtra + 68> byte{};  // by character; -1: none

  constexpr Alphabet() {
    byte.fill(-1);
    uint32_t extra = kFirstExtra;
    for (uint32_t b = 0; b < 256; ++b) {
      const uint32_t c = stands_for_itself(b) ? b : extra++;
      character[b] = static_cast<uint16_t>(c);
      byte[c] = static_cast<int16_t>(b);
    }
  }
};

constexpr Alphabet kAlphabet;

}  // namespace

char32_t byte_alphabet_character(uint8_t byte) { return kAlphabet.character[byte]; }

std::string to_byte_alphabet(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    const char32_t point = byte_alphabet_character(static_cast<uint8_t>(c));
    if (point < 0x80) {
      text += static_cast<char>(point);
    } else {
      text += static_cast<char>(0xc0 | point >> 6);
      text += static_cast<char>(0x80 | (point & 0x3f));
    }
  }
  return text;
}

std::optional<std::string> from_byte_alphabet(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    uint32_t point = static_cast<uint8_t>(text[i]);
    if (point >= 0x80) {
      if ((point & 0xe0) != 0xc0 || ++i == text.size()) return std::nullopt;
      const uint32_t next = static_cast<uint8_t>(text[i]);
      if ((next & 0xc0) != 0x80) return std::nullopt;
      point = (point & 0x1f) << 6 | (next & 0x3f);
      if (point < 0x80) return std::nullopt;
    }
    if (point >= kAlphabet.byte.size() || kAlphabet.byte[point] < 0) return std::nullopt;
    bytes += static_cast<char>(kAlphabet.byte[point]);
  }
  return bytes;
}

}  // namespace tern
