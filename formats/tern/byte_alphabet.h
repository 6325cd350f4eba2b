// GPT-2's byte alphabet: a printable character for every byte, so that a vocabulary of bytes can be written as text
// (bytes_to_unicode of the GPT-2 release). Bytes 21..7E, A1..AC and AE..FF stand for themselves; the
// others, in ascending order, for U+0100 and up: a space is U+0120.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tern {

char32_t byte_alphabet_character(uint8_t byte);  // at most U+0143: one or two bytes of UTF-8
std::string to_byte_alphabet(std::string_view bytes);
// The bytes that a text of the alphabet stands for; nothing if a character is not one of the 256.
std::optional<std::string> from_byte_alphabet(std::string_view text);

}  // namespace tern
