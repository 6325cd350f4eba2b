// The regular expressions that may cut a text before byte-level BPE. They come from files, so they are held to a
// dialect in which the libraries that publishers use and PCRE2 agree, and whose work can be bounded: literals, escapes
// of punctuation, \r \n \t \f \x{H} \uHHHH, \s \S \d \D, \p{..} and \P{..} of general categories and some scripts,
// classes, groups ( (?: (?i: , lookarounds, greedy or lazy ? * + and greedy {m} {m,} {m,n}. In lookarounds nothing
// repeats more than 16 times, so that a scan is paid for by a match or counted as backtracking. Twin of docs/format.md.
#pragma once

#include <string_view>

#include "base/status.h"

namespace tern {

// unsupported or corrupt, naming the byte and what stands there. That a pattern never matches an empty text is
// checked where it is compiled.
Status validate_split_pattern(std::string_view pattern);

}  // namespace tern
