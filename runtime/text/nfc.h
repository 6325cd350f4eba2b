// Unicode Normalization Form C, by utf8proc.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace tern {

// REQUIRES: valid UTF-8. Fails with invalid_argument on a run of more than kMaxMarks combining marks, which the
// library would sort in quadratic time.
inline constexpr int kMaxMarks = 1024;
Result<std::string> to_nfc(std::string_view text);

}  // namespace tern
