// Cuts valid UTF-8 by the split patterns of a vocabulary, through PCRE2. A pattern comes from a file: it is held to
// the dialect of formats/tern/split_pattern.h, must advance, and works on a budget of steps. Thread-safe.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "formats/tern/description.h"

struct pcre2_real_code_8;

namespace tern {

class Splitter {
 public:
  // Fails, naming the pattern, if PCRE2 does not compile it or if it could match an empty text.
  static Result<Splitter> create(const std::vector<SplitPattern>& patterns);

  // Appends what the patterns make of the text, in order; without patterns the text itself. Fails with
  // invalid_argument if a pattern takes too many steps.
  Status split(std::string_view text, std::vector<std::string_view>& pieces) const;

 private:
  struct Free {
    void operator()(pcre2_real_code_8* code) const;
  };
  struct Pattern {
    std::unique_ptr<pcre2_real_code_8, Free> code;
    bool byte_alphabet;
  };
  std::vector<Pattern> patterns_;
};

}  // namespace tern
