// Text to tokens and back. The vocabulary: bytes from 3 on, then "a" 259, "b" 260, "ab" 261, space 262.
#include "tests/capi/fixture.h"

namespace tern::test {
namespace {

struct Text {
  ScratchDirectory scratch;
  ModelHandle model = load(write_model(scratch, "m.tern", smallest(), true));
  ModelHandle bare = load(write_model(scratch, "bare.tern", smallest(), false));
};

std::string piece(const ModelHandle& model, int32_t token, int32_t previous) {
  char text[TERN_PIECE_CAPACITY];
  size_t size = 0;
  works([&](tern_error* e) { return tern_piece(model.get(), token, previous, text, sizeof text, &size, e); });
  CHECK(text[size] == '\0');
  return {text, size};
}

}  // namespace

#ifdef TERN_TEST_TEXT
TEST_CASE("tokenize and detokenize are inverse, NUL bytes and invalid UTF-8 included") {
  const Text t;
  const std::string text("ab b\0\xFF", 6);
  int32_t tokens[16];
  size_t count = 0;
  works(
      [&](tern_error* e) { return tern_tokenize(t.model.get(), text.data(), text.size(), 1, tokens, 16, &count, e); });
  REQUIRE(count > 1);
  CHECK(tokens[0] == 1);
  std::string back(32, '#');
  size_t size = 0;
  works(
      [&](tern_error* e) { return tern_detokenize(t.model.get(), tokens, count, back.data(), back.size(), &size, e); });
  CHECK(back[size] == '\0');
  CHECK(back.substr(0, size) == text);

  size_t without = 0;
  works([&](tern_error* e) {
    return tern_tokenize(t.model.get(), text.data(), text.size(), 0, tokens, 16, &without, e);
  });
  CHECK(without == count - 1);
  works([&](tern_error* e) { return tern_tokenize(t.model.get(), nullptr, 0, 1, tokens, 16, &count, e); });
  CHECK(count == 1);
}

TEST_CASE("tokenize asks for room") {
  const Text t;
  size_t count = 0;
  fails(TERN_BUFFER_TOO_SMALL, "needed",
        [&](tern_error* e) { return tern_tokenize(t.model.get(), "ab", 2, 1, nullptr, 0, &count, e); });
  REQUIRE(count > 0);
  std::vector<int32_t> tokens(count + 1, -7);
  fails(TERN_BUFFER_TOO_SMALL, "needed",
        [&](tern_error* e) { return tern_tokenize(t.model.get(), "ab", 2, 1, tokens.data(), count - 1, &count, e); });
  CHECK(tokens.front() == -7);
  const size_t exact = count;
  works([&](tern_error* e) { return tern_tokenize(t.model.get(), "ab", 2, 1, tokens.data(), exact, &count, e); });
  CHECK(count == exact);
  CHECK(tokens.back() == -7);
}
#else
TEST_CASE("without TERN_TEXT text does not become ids") {
  const Text t;
  int32_t tokens[16];
  size_t count = 9;
  fails(TERN_UNSUPPORTED, "TERN_TEXT",
        [&](tern_error* e) { return tern_tokenize(t.model.get(), "ab", 2, 1, tokens, 16, &count, e); });
  CHECK(count == 0);
}
#endif

TEST_CASE("pieces and stop tokens") {
  const Text t;
  CHECK(piece(t.model, 261, 259) == "ab");
  CHECK(piece(t.model, 3 + 'x', 259) == "x");
  CHECK(piece(t.model, 3, 259) == std::string(1, '\0'));
  CHECK(piece(t.model, 1, -1).empty());
  CHECK(piece(t.model, -5, -1).empty());
  CHECK(piece(t.model, 100000, 259).empty());
  CHECK(piece(t.model, 262, 259) == " ");
  CHECK(piece(t.model, 262, -1).empty());
  int stops = -1;
  works([&](tern_error* e) { return tern_token_stops(t.model.get(), 2, &stops, e); });
  CHECK(stops == 1);
  works([&](tern_error* e) { return tern_token_stops(t.model.get(), 259, &stops, e); });
  CHECK(stops == 0);
}

TEST_CASE("text calls refuse NULL and files without a tokenizer") {
  const Text t;
  int32_t tokens[4] = {259, 260, 261, 262};
  char text[16];
  size_t size = 0;
  int stops = 0;
  const auto refused = [](const char* part, auto call) { fails(TERN_INVALID_ARGUMENT, part, call); };
  refused("size is NULL",
          [&](tern_error* e) { return tern_tokenize(t.model.get(), "a", 1, 1, tokens, 4, nullptr, e); });
  refused("model is NULL", [&](tern_error* e) { return tern_tokenize(nullptr, "a", 1, 1, tokens, 4, &size, e); });
  refused("text is NULL",
          [&](tern_error* e) { return tern_tokenize(t.model.get(), nullptr, 1, 1, tokens, 4, &size, e); });
  refused("buffer is NULL",
          [&](tern_error* e) { return tern_tokenize(t.model.get(), "a", 1, 1, nullptr, 4, &size, e); });
  refused("size is NULL",
          [&](tern_error* e) { return tern_detokenize(t.model.get(), tokens, 4, text, 16, nullptr, e); });
  refused("model is NULL", [&](tern_error* e) { return tern_detokenize(nullptr, tokens, 4, text, 16, &size, e); });
  refused("tokens is NULL",
          [&](tern_error* e) { return tern_detokenize(t.model.get(), nullptr, 4, text, 16, &size, e); });
  refused("buffer is NULL",
          [&](tern_error* e) { return tern_detokenize(t.model.get(), tokens, 4, nullptr, 16, &size, e); });
  refused("size is NULL", [&](tern_error* e) { return tern_piece(t.model.get(), 259, -1, text, 16, nullptr, e); });
  refused("model is NULL", [&](tern_error* e) { return tern_piece(nullptr, 259, -1, text, 16, &size, e); });
  refused("buffer is NULL", [&](tern_error* e) { return tern_piece(t.model.get(), 259, -1, nullptr, 16, &size, e); });
  refused("stops is NULL", [&](tern_error* e) { return tern_token_stops(t.model.get(), 2, nullptr, e); });
  refused("model is NULL", [&](tern_error* e) { return tern_token_stops(nullptr, 2, &stops, e); });

  const auto absent = [](auto call) { fails(TERN_NOT_FOUND, "bare.tern: the file holds no tokenizer", call); };
  absent([&](tern_error* e) { return tern_tokenize(t.bare.get(), "a", 1, 1, tokens, 4, &size, e); });
  absent([&](tern_error* e) { return tern_detokenize(t.bare.get(), tokens, 4, text, 16, &size, e); });
  absent([&](tern_error* e) { return tern_piece(t.bare.get(), 259, -1, text, 16, &size, e); });
  absent([&](tern_error* e) { return tern_token_stops(t.bare.get(), 2, &stops, e); });
  CHECK(size == 0);
}

TEST_CASE("text that does not fit leaves the buffer alone") {
  const Text t;
  const int32_t tokens[2] = {261, 261};
  char text[8] = "#######";
  size_t size = 0;
  fails(TERN_BUFFER_TOO_SMALL, "needed are 5",
        [&](tern_error* e) { return tern_detokenize(t.model.get(), tokens, 2, text, 4, &size, e); });
  CHECK(size == 4);
  CHECK(std::string(text) == "#######");
  works([&](tern_error* e) { return tern_detokenize(t.model.get(), tokens, 2, text, 5, &size, e); });
  CHECK(std::string(text) == "abab");
  works([&](tern_error* e) { return tern_detokenize(t.model.get(), nullptr, 0, text, 5, &size, e); });
  CHECK(std::string(text).empty());
}

}  // namespace tern::test
