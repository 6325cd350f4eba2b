// Split patterns: what published ones cut, what the dialect refuses, and that no pattern runs away.
#include <catch2/catch.hpp>

#include "byte_vocabulary_fixture.h"
#include "formats/tern/split_pattern.h"
#include "runtime/text/splitter.h"
#include "runtime/text/tokenizer.h"

using namespace tern;
using namespace tern::test;

namespace {

using Parts = std::vector<std::string>;

Parts split(const std::vector<SplitPattern>& patterns, const std::string& text) {
  const auto splitter = Splitter::create(patterns);
  INFO(splitter.status().message());
  REQUIRE(splitter.ok());
  std::vector<std::string_view> views;
  const Status status = splitter->split(text, views);
  INFO(status.message());
  REQUIRE(status.ok());
  return Parts(views.begin(), views.end());
}

const std::string kLlama3 = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})"
                            R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const std::string kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

std::string dialect_error(const std::string& pattern) { return validate_split_pattern(pattern).message(); }

}  // namespace

TEST_CASE("Llama 3's and GPT-2's patterns cut as published") {
  CHECK(split({{kLlama3, false}}, "I'LL pay 12345 \n\n  \xC3\xA9t\xC3\xA9!!\n x") ==
        Parts{"I", "'LL", " pay", " ", "123", "45", " \n\n", " ", " \xC3\xA9t\xC3\xA9", "!!\n", " x"});
  CHECK(split({{kGpt2, false}}, "I'LL  don't 12345  ") == Parts{"I", "'", "LL", " ", " don", "'t", " 12345", "  "});
  CHECK(split({{kLlama3, false}}, "").empty());
  CHECK(split({}, "whole text") == Parts{"whole text"});
}

TEST_CASE("Patterns work one after the other, also on the byte alphabet") {
  CHECK(split({{"\\p{N}", false}, {"\\p{L}+", false}}, "a12bc-d") == Parts{"a", "1", "2", "bc", "-", "d"});
  // U+00B2 is C2 B2; of the byte alphabet's characters for those, only U+00B2 is a number.
  CHECK(split({{"\\p{N}", false}}, "x\xC2\xB2y") == Parts{"x", "\xC2\xB2", "y"});
  CHECK(split({{"\\p{N}", true}}, "x\xC2\xB2y") == Parts{"x\xC2", "\xB2", "y"});
  CHECK(split({{"\\x{120}\\p{L}", true}}, "a b c") == Parts{"a", " b", " c"});
}

TEST_CASE("The dialect's sets are Unicode's") {
  const std::string vowel_separator = "\xE1\xA0\x8E", ideographic_space = "\xE3\x80\x80", next_line = "\xC2\x85";
  CHECK(split({{"\\s", false}}, "a" + vowel_separator + "b") == Parts{"a" + vowel_separator + "b"});
  CHECK(split({{"\\s", false}}, "a" + ideographic_space + next_line) == Parts{"a", ideographic_space, next_line});
  CHECK(split({{"[^\\S\\n]", false}}, "a\n b") == Parts{"a\n", " ", "b"});
  CHECK(split({{"\\p{Han}+", false}}, "a\xE6\xBC\xA2\xE3\x80\x82z") == Parts{"a", "\xE6\xBC\xA2", "\xE3\x80\x82z"});
  CHECK(split({{"[\\u4e00-\\u9fa5]", false}}, "a\xE6\xBC\xA2z") == Parts{"a", "\xE6\xBC\xA2", "z"});
  CHECK(split({{"\\d+", false}},
              "a\xD9\xA3"
              "1") == Parts{"a",
                            "\xD9\xA3"
                            "1"});
}

TEST_CASE("What the dialect does not have is refused with its place") {
  for (const char* good : {"a|b", "(?:a|b)+?", "[a-z\\-_-]{2,5}", "(?<=a)b", "(?<!\\s{1,3})b", "\\x{1F600}", "\\.\\\\",
                           "[-a]", "\\P{Lu}", "a{3,}", "\xE2\x82\xAC+"}) {
    INFO(good << ": " << dialect_error(good));
    CHECK(dialect_error(good).empty());
  }
  const std::pair<std::string, std::string> bad[] = {
      {"", "0 bytes"},
      {std::string(4097, 'a'), "4097 bytes"},
      {"\xFF", "UTF-8"},
      {"a.b", "byte 1: '.'"},
      {"^a", "'^'"},
      {"a$", "'$'"},
      {"a)", "closes no group"},
      {"(a", "not closed"},
      {"[a", "not closed"},
      {"*a", "'*'"},
      {"a**", "after a quantifier"},
      {"a++", "after a quantifier"},
      {"a{2}+", "after a quantifier"},
      {"a{2}?", "after a quantifier"},
      {"(?>a)", "this kind of group"},
      {"(?<n>a)", "this kind of group"},
      {"(?i)a", "this kind of group"},
      {"(*UTF)a", "'*'"},
      {"\\w", "escape \\w"},
      {"\\b", "escape \\b"},
      {"\\1", "escape \\1"},
      {"\\Qa", "escape \\Q"},
      {"\\", "ends the pattern"},
      {"a{,3}", "expected {m}"},
      {"a{3,2}", "expected {m}"},
      {"a{257}", "expected {m}"},
      {"a}", "'}'"},
      {"\\p{Foo}", "property 'Foo'"},
      {"\\pL", "{property}"},
      {"[z-a]", "ascend"},
      {"[\\s-a]", "ascend"},
      {"[a&&b]", "nested"},
      {"[[:alpha:]]", "nested"},
      {"[]", "escaped"},
      {"[^]a]", "escaped"},
      {"[a-b-c]", "escaped"},
      {"(?=a*)b", "lookaround repeats"},
      {"(?!(?:a+))b", "lookaround repeats"},
      {"\\x{110000}", "hexadecimal"},
      {"\\ud800", "hexadecimal"},
      {"(?=a)+", "'+'"},
      {std::string(20, '(') + "a" + std::string(20, ')'), "nest deeper"}};
  for (const auto& [pattern, expected] : bad) {
    INFO(pattern << ": " << dialect_error(pattern));
    CHECK(dialect_error(pattern).find(expected) != std::string::npos);
  }
}

TEST_CASE("A pattern that does not advance or does not compile is refused") {
  for (const std::string pattern : {"a*", "a|", "(?=a)", "(?:)"}) {
    INFO(pattern);
    const auto splitter = Splitter::create({{pattern, false}});
    REQUIRE(!splitter.ok());
    CHECK(splitter.status().message().find("split pattern 0 can match an empty text") != std::string::npos);
  }
  const auto variable = Splitter::create({{"b", false}, {"(?<=a{1,3})b", false}});
  REQUIRE(!variable.ok());
  CHECK(variable.status().message().find("split pattern 1: PCRE2 says") != std::string::npos);
}

TEST_CASE("Patterns that backtrack without end stop with one sentence") {
  const std::string text(4000, 'a');
  for (const std::string pattern : {"(?:a+)+[bc]", "(?:a|a)+[bc]", "(?:a+a+)+b|a"}) {
    const auto splitter = Splitter::create({{pattern, false}});
    REQUIRE(splitter.ok());
    std::vector<std::string_view> parts;
    const Status status = splitter->split(text, parts);
    INFO(pattern << ": " << status.message());
    CHECK(status.code() == Code::invalid_argument);
    CHECK(status.message().find("too many steps") != std::string::npos);
  }
  // Work that is quadratic in one run is still work on a budget.
  const auto quadratic = Splitter::create({{"[^z]*z|a", false}});
  REQUIRE(quadratic.ok());
  std::vector<std::string_view> parts;
  CHECK(!quadratic->split(std::string(1u << 16, 'a'), parts).ok());
}
