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

Result<std::unique_ptr<Tokenizer>> make_tokenizer(const Model& model, const char* ids_flag) {
  const auto& stored = model.file().description().tokenizer;
  if (stored) return Tokenizer::create(*stored);
  const std::string instead = *ids_flag ? fmt::format("give token ids with {}, or ", ids_flag) : "";
  return not_found(
      fmt::format("{}: the file holds no tokenizer; {}convert again with --tokenizer", model.file().path(), instead));
}

Result<std::vector<int32_t>> tokens_of(const std::string& text, const TextSource& source, const Model& model,
                                       const char* ids_flag) {
  std::vector<int32_t> ids;
  if (source.tokens) {
    TERN_ASSIGN(ids, parse_ids(text));
  } else {
    TERN_ASSIGN(const auto tokenizer, make_tokenizer(model, ids_flag));
    TERN_ASSIGN(ids, tokenizer->encode(text, false));
  }
  if (source.limit != 0 && source.limit < ids.size()) ids.resize(source.limit);
  return ids;
}

}  // namespace tern::app
