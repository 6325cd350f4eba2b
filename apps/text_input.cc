#include "apps/text_input.h"

#include <fmt/format.h>

#include <charconv>

namespace tern::app {

Result<std::vector<int32_t>> parse_ids(const std::string& text) {
  std::vector<int32_t> ids;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto separates = [](char c) { return c == ' ' || c == ',' || c == '\n' || c == '\r' || c == '\t'; };
  while (at != end) {
    if (separates(*at)) {
      ++at;
      continue;
    }
    int32_t id = 0;
    const auto [next, error] = std::from_chars(at, end, id);
    if (error != std::errc() || id < 0 || (next != end && !separates(*next))) {
      return invalid_argument(fmt::format("--tokens: byte {} of the text does not begin a token id", at - text.data()));
    }
    ids.push_back(id);
    at = next;
  }
  return ids;
}

Result<std::unique_ptr<Tokenizer>> make_tokenizer(const Model& model) {
  const auto& stored = model.file().description().tokenizer;
  if (!stored) {
    return not_found(
        fmt::format("{}: the file holds no tokenizer; give token ids with --tokens, or convert again with --tokenizer",
                    model.file().path()));
  }
  return Tokenizer::create(*stored);
}

}  // namespace tern::app
