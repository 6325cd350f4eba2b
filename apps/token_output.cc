#include "apps/token_output.h"

#include <fmt/format.h>

#include <cstdio>

namespace tern::app {

void show(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

bool TokenOutput::token(int32_t id) {
  if (!tokenizer_) {
    show(fmt::format("{}{}", first_ ? "" : " ", id));
    first_ = false;
    return true;
  }
  show(stops_.push(utf8_.push(tokenizer_->piece(id, previous_))));
  previous_ = id;
  return !stops_.stopped();
}

void TokenOutput::finish() {
  if (tokenizer_ && !stops_.stopped()) {
    show(stops_.push(utf8_.finish()));
    show(stops_.finish());
  }
  show("\n");
}

}  // namespace tern::app
