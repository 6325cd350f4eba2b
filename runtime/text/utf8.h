// Where UTF-8 sequences begin and end (Unicode 15, table 3-7: no overlong forms, no surrogates, at most U+10FFFF).
#pragma once

#include <cstddef>
#include <string_view>

namespace tern {

struct Utf8Step {
  enum class Kind { valid, invalid, unfinished };
  Kind kind;
  size_t bytes;  // valid: the sequence; invalid: the maximal subpart to replace by one U+FFFD; unfinished: all that is
                 // left
};

// Looks at the first sequence of a text. REQUIRES: text is not empty.
// unfinished: the text ends inside a sequence that more bytes could complete.
Utf8Step utf8_step(std::string_view text);

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

}  // namespace tern
