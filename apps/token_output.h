// Where generated tokens go: ids, or text through the UTF-8 and stop-string streams, to standard output as they come.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/tokenizer.h"

namespace tern::app {

void show(std::string_view text);  // to standard output, at once

class TokenOutput {
 public:
  // Without a tokenizer: ids. `previous`: the last token of the prompt.
  TokenOutput(const Tokenizer* tokenizer, std::vector<std::string> stops, int32_t previous)
      : tokenizer_(tokenizer), stops_(std::move(stops)), previous_(previous) {}

  bool token(int32_t id);  // false when a stop string is complete
  void finish();           // what was held back, and a line end

 private:
  const Tokenizer* tokenizer_;
  Utf8Stream utf8_;
  StopStrings stops_;
  int32_t previous_;
  bool first_ = true;
};

}  // namespace tern::app
