// Utf8Stream and StopStrings: whatever way a text is cut into pushes, the result is that of the whole.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "base/random.h"
#include "formats/tern/utf8.h"
#include "runtime/text/tokenizer.h"

using namespace tern;

namespace {

std::string all_at_once(const std::string& bytes) {
  Utf8Stream stream;
  std::string out = stream.push(bytes);
  out += stream.finish();
  return out;
}

// Independent: decodes numerically, and says whether bytes [i, i + n) encode one scalar value in its shortest form.
bool is_scalar(const std::string& s, size_t i, size_t n) {
  if (i + n > s.size()) return false;
  const auto byte = [&](size_t k) { return static_cast<unsigned>(static_cast<unsigned char>(s[i + k])); };
  const unsigned lead_bits[] = {0, 0x00, 0xC0, 0xE0, 0xF0}, lead_mask[] = {0, 0x80, 0xE0, 0xF0, 0xF8};
  if ((byte(0) & lead_mask[n]) != lead_bits[n]) return false;
  unsigned value = byte(0) & ~lead_mask[n] & 0xFF;
  for (size_t k = 1; k < n; ++k) {
    if ((byte(k) & 0xC0) != 0x80) return false;
    value = value << 6 | (byte(k) & 0x3F);
  }
  const unsigned smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  return value >= smallest[n] && value <= 0x10FFFF && !(value >= 0xD800 && value <= 0xDFFF);
}

bool valid_by_decoding(const std::string& s) {
  for (size_t i = 0; i < s.size();) {
    size_t n = 1;
    while (n <= 4 && !is_scalar(s, i, n)) ++n;
    if (n > 4) return false;
    i += n;
  }
  return true;
}

}  // namespace

TEST_CASE("Valid text passes through, cut at any two points") {
  const std::string text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z\xEF\xBF\xBD";
  for (size_t i = 0; i <= text.size(); ++i) {
    for (size_t j = i; j <= text.size(); ++j) {
      Utf8Stream stream;
      std::string out = stream.push(text.substr(0, i));
      CHECK(valid_by_decoding(out));
      const std::string second = stream.push(text.substr(i, j - i));
      CHECK(valid_by_decoding(second));
      out += second;
      out += stream.push(text.substr(j));
      out += stream.finish();
      CHECK(out == text);
    }
  }
}

TEST_CASE("Invalid bytes become U+FFFD, one per maximal subpart (Unicode 15, table 3-8)") {
  const std::string r = "\xEF\xBF\xBD";
  CHECK(all_at_once("a\x80z") == "a" + r + "z");
  CHECK(all_at_once("\xC0\xAF") == r + r);          // overlong
  CHECK(all_at_once("\xED\xA0\x80") == r + r + r);  // surrogate
  CHECK(all_at_once("\xF4\x91\x92\x93\xFF"
                    "A") == r + r + r + r + r + "A");  // above U+10FFFF
  CHECK(all_at_once("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF"
                    "A") == r + r + r + r + "A");
  CHECK(all_at_once("\xF0\x9F\x98") == r);  // unfinished at the end
  CHECK(all_at_once("") == "");
}

TEST_CASE("Random bytes: every split gives the whole's result, and it is valid UTF-8") {
  Random random(1);
  // Few different bytes, so that sequences nearly complete often.
  const std::string alphabet = "\x41\x80\xBF\xC3\xE2\xED\xF0\xF4\x90\x9F\xC1\xFF";
  for (int round = 0; round < 300; ++round) {
    std::string bytes;
    for (uint64_t n = random.below(12); n-- > 0;) bytes += alphabet[random.below(alphabet.size())];
    const std::string whole = all_at_once(bytes);
    CHECK(valid_by_decoding(whole));
    CHECK(is_valid_utf8(bytes) == valid_by_decoding(bytes));
    CHECK((whole == bytes) == valid_by_decoding(bytes));
    for (size_t cut = 0; cut <= bytes.size(); ++cut) {
      Utf8Stream stream;
      std::string out = stream.push(bytes.substr(0, cut));
      out += stream.push(bytes.substr(cut));
      out += stream.finish();
      CHECK(out == whole);
    }
  }
}

namespace {

struct Stopped {
  std::string text;
  bool stopped;
};

// By definition: the smallest end of any stop; of the stops that end there, the longest.
Stopped expected_stop(const std::string& text, const std::vector<std::string>& stops) {
  for (size_t end = 1; end <= text.size(); ++end) {
    for (size_t begin = 0; begin < end; ++begin) {
      for (const std::string& stop : stops) {
        if (!stop.empty() && text.substr(begin, end - begin) == stop) return {text.substr(0, begin), true};
      }
    }
  }
  return {text, false};
}

void check_all_splits(const std::string& text, const std::vector<std::string>& stops) {
  const Stopped expected = expected_stop(text, stops);
  for (size_t i = 0; i <= text.size(); ++i) {
    for (size_t j = i; j <= text.size(); ++j) {
      StopStrings stream(stops);
      std::string out = stream.push(text.substr(0, i));
      out += stream.push(text.substr(i, j - i));
      out += stream.push(text.substr(j));
      out += stream.finish();
      CHECK(out == expected.text);
      CHECK(stream.stopped() == expected.stopped);
    }
  }
}

}  // namespace

TEST_CASE("Stop strings: overlapping, nested and repeated, at all splits") {
  check_all_splits("hello END rest", {"END"});
  check_all_splits("ababac", {"abac"});  // the false start overlaps the true one
  check_all_splits("xabcd", {"abcd", "bc"});
  check_all_splits("xabc", {"bc", "abc"});
  check_all_splits("aaaa", {"aaa", ""});
  check_all_splits("nothing here", {"</s>", "User:"});
  check_all_splits("ends with a prefix </", {"</s>"});
  check_all_splits("\xC3\xA9\n\nUser: x", {"\nUser:", "\n\n\n"});
}

TEST_CASE("Stop strings on random texts of two letters") {
  Random random(2);
  const auto word = [&](uint64_t most) {
    std::string s;
    for (uint64_t n = random.below(most + 1); n-- > 0;) s += static_cast<char>('a' + random.below(2));
    return s;
  };
  for (int round = 0; round < 200; ++round) check_all_splits(word(9), {word(4), word(4), word(3)});
}

TEST_CASE("Text that cannot be part of a stop is shown at once") {
  StopStrings stream({"STOP"});
  CHECK(stream.push("abcS") == "abc");
  CHECK(stream.push("T") == "");
  CHECK(stream.push("x") == "STx");
  CHECK(stream.push("STOPmore") == "");
  CHECK(stream.stopped());
  CHECK(stream.push("more") == "");
  CHECK(stream.finish() == "");
}
