#include "formats/tern/split_pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <optional>

#include "formats/tern/limits.h"
#include "formats/tern/utf8.h"

namespace tern {
namespace {

constexpr int kMaxGroupDepth = 16;
constexpr uint32_t kMaxRepeat = 256;  // in {m,n}
constexpr uint32_t kMaxRepeatInLookaround = 16;

constexpr std::string_view kProperties[] = {
    "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "Pc", "Pd", "Ps", "Pe", "Pi",
    "Pf", "Po", "S", "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl", "Zp", "C", "Cc", "Cf", "Cs", "Co", "Cn",
    // scripts
    "Arabic", "Cyrillic", "Devanagari", "Greek", "Han", "Hangul", "Hebrew", "Hiragana", "Katakana", "Latin", "Thai"};

bool is_ascii_punctuation(char c) { return c > ' ' && c < 0x7f && !std::isalnum(static_cast<unsigned char>(c)); }

// Recursive descent over a pattern that is valid UTF-8; depth is limited by kMaxGroupDepth.
class PatternReader {
 public:
  explicit PatternReader(std::string_view text) : text_(text) {}

  Status read_all() {
    TERN_TRY(read_alternatives(0, false));
    return at_end() ? Status() : refuse("')' closes no group");
  }

 private:
  bool at_end() const { return at_ == text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  bool take(std::string_view expected) {
    if (!text_.substr(at_).starts_with(expected)) return false;
    at_ += expected.size();
    return true;
  }
  Status refuse(const std::string& what) const {
    return unsupported(fmt::format("byte {}: {} (docs/format.md says what a split pattern may contain)", at_, what));
  }

  Status read_alternatives(int depth, bool in_lookaround) {
    while (!at_end() && peek() != ')') {
      if (take("|")) continue;
      bool repeats = true;  // whether a quantifier may follow
      if (peek() == '(') {
        TERN_TRY(read_group(depth, in_lookaround, &repeats));
      } else if (peek() == '[') {
        TERN_TRY(read_class());
      } else if (peek() == '\\') {
        TERN_TRY(read_escape().status());
      } else if (std::string_view("^$.*+?{}]").find(peek()) != std::string_view::npos) {
        return refuse(fmt::format("'{}' is not expected here", peek()));
      } else {
        read_character();
      }
      if (repeats) TERN_TRY(read_quantifier(in_lookaround));
    }
    return {};
  }

  Status read_group(int depth, bool in_lookaround, bool* repeats) {
    if (depth == kMaxGroupDepth) return refuse(fmt::format("groups nest deeper than {}", kMaxGroupDepth));
    bool lookaround = false;
    for (const std::string_view start : {"(?=", "(?!", "(?<=", "(?<!"}) lookaround = lookaround || take(start);
    if (!lookaround && !take("(?:") && !take("(?i:")) {
      take("(");
      if (peek() == '?') return refuse("this kind of group is not supported");
    }
    TERN_TRY(read_alternatives(depth + 1, in_lookaround || lookaround));
    *repeats = !lookaround;
    return take(")") ? Status() : refuse("a group is not closed");
  }

  Status read_quantifier(bool in_lookaround) {
    uint32_t most = 1;
    if (take("*") || take("+")) {
      most = UINT32_MAX;
      take("?");
    } else if (take("?")) {
      take("?");
    } else if (peek() == '{') {
      TERN_ASSIGN(most, read_braces());
    } else {
      return {};
    }
    if (std::string_view("*+?{").find(peek()) != std::string_view::npos && !at_end()) {
      return refuse(fmt::format("'{}' after a quantifier (possessive or double) is not supported", peek()));
    }
    if (in_lookaround && most > kMaxRepeatInLookaround) {
      return refuse(fmt::format("a lookaround repeats more than {} times", kMaxRepeatInLookaround));
    }
    return {};
  }

  Result<uint32_t> read_braces() {
    take("{");
    const std::optional<uint32_t> least = read_number();
    std::optional<uint32_t> most = least;
    if (take(",")) most = peek() == '}' ? UINT32_MAX : read_number();
    if (!least || !most || *most < *least || !take("}")) {
      return refuse(fmt::format("expected {{m}}, {{m,}} or {{m,n}} of numbers up to {}", kMaxRepeat));
    }
    return *most;
  }

  std::optional<uint32_t> read_number() {
    uint32_t value = 0;
    size_t digits = 0;
    for (; peek() >= '0' && peek() <= '9' && digits < 4; ++at_, ++digits) {
      value = value * 10 + static_cast<uint32_t>(peek() - '0');
    }
    return digits == 0 || value > kMaxRepeat ? std::nullopt : std::optional(value);
  }

  Status read_class() {
    take("[");
    take("^");
    for (bool first = true; first || peek() != ']'; first = false) {
      if (at_end()) return refuse("a class is not closed");
      if (peek() == '[' || text_.substr(at_).starts_with("&&")) return refuse("nested classes are not supported");
      const bool hyphen = peek() == '-';
      if ((first && peek() == ']') || (hyphen && !first && !text_.substr(at_).starts_with("-]"))) {
        return refuse(fmt::format("'{}' must be escaped here", peek()));
      }
      TERN_ASSIGN(const int64_t from, read_member());
      if (peek() != '-' || text_.substr(at_).starts_with("-]")) continue;
      take("-");
      if (at_end() || peek() == '[') return refuse("a range has no end");
      TERN_ASSIGN(const int64_t to, read_member());
      if (hyphen || from < 0 || to < from) return refuse("a range does not ascend from one character to another");
    }
    take("]");
    return {};
  }

  Result<int64_t> read_member() {
    if (peek() == '\\') return read_escape();
    return read_character();
  }

  int64_t read_character() {
    const auto lead = static_cast<uint8_t>(text_[at_++]);
    const int more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    int64_t point = more == 0 ? lead : lead & (0x3f >> more);
    for (int i = 0; i < more; ++i) point = point << 6 | (static_cast<uint8_t>(text_[at_++]) & 0x3f);
    return point;
  }

  // The character that an escape stands for, or -1 for a set.
  Result<int64_t> read_escape() {
    take("\\");
    const char c = peek();
    if (at_end()) return refuse("'\\' ends the pattern");
    ++at_;
    constexpr std::string_view kControls = "rntf", kControlValues = "\r\n\t\f";
    if (const size_t i = kControls.find(c); i != std::string_view::npos) return int64_t{kControlValues[i]};
    if (is_ascii_punctuation(c)) return int64_t{c};
    if (std::string_view("sSdD").find(c) != std::string_view::npos) return int64_t{-1};
    if (c == 'p' || c == 'P') return read_property();
    if (c == 'u') return read_hex(4, 4);
    if (c == 'x' && take("{")) {
      TERN_ASSIGN(const int64_t point, read_hex(1, 6));
      return take("}") ? Result<int64_t>(point) : refuse("expected '}' after \\x{");
    }
    --at_;
    const bool letter = std::isalnum(static_cast<unsigned char>(c));
    return refuse(letter ? fmt::format("the escape \\{} is not supported", c) : "'\\' stands before no known escape");
  }

  Result<int64_t> read_property() {
    const size_t end = text_.find('}', at_);
    if (!take("{") || end == std::string_view::npos) return refuse("expected {property} after \\p");
    const std::string_view name = text_.substr(at_, end - at_);
    if (std::find(std::begin(kProperties), std::end(kProperties), name) == std::end(kProperties)) {
      return refuse(fmt::format("the property '{}' is not supported", name.substr(0, 40)));
    }
    at_ = end + 1;
    return int64_t{-1};
  }

  Result<int64_t> read_hex(size_t least, size_t most) {
    int64_t point = 0;
    size_t digits = 0;
    for (; digits < most && std::isxdigit(static_cast<unsigned char>(peek())); ++at_, ++digits) {
      const char c = peek();
      point = point * 16 + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    if (digits < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
      return refuse("expected the hexadecimal number of a character");
    }
    return point;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Status validate_split_pattern(std::string_view pattern) {
  if (pattern.empty() || pattern.size() > kMaxPatternBytes) {
    return corrupt(fmt::format("it has {} bytes, expected 1 to {}", pattern.size(), kMaxPatternBytes));
  }
  if (!is_valid_utf8(pattern)) return corrupt("it is not valid UTF-8");
  return PatternReader(pattern).read_all();
}

}  // namespace tern
