#include "runtime/text/splitter.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <string>

#include "formats/tern/byte_alphabet.h"
#include "formats/tern/split_pattern.h"

namespace tern {
namespace {

// A step is one of PCRE2's internal match() calls: a backtracking point. Most matches take some tens; a long run takes
// a few per character. What the first limit does not suffice for is tried again with more, on a budget.
constexpr uint32_t kFirstSteps = 200;
constexpr uint64_t kStepsPerByte = 200, kSpareSteps = 100'000;
constexpr uint32_t kHeapKiB = 256u << 10;

// The dialect in PCRE2's words: its \s has U+180E, which Unicode's White_Space has not, and its script names stand for
// Script_Extensions.
std::string to_pcre2(std::string_view pattern) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '\\') {
      out += pattern[i];
      continue;
    }
    const char c = pattern[++i];
    if (c == 's' || c == 'S') {
      out += c == 's' ? "\\p{White_Space}" : "\\P{White_Space}";
    } else if (c == 'u') {
      out += fmt::format("\\x{{{}}}", pattern.substr(i + 1, 4));
      i += 4;
    } else if ((c == 'p' || c == 'P') && pattern.find('}', i) - i > 4) {
      out += fmt::format("\\{}{{sc:", c);
      ++i;  // the brace
    } else {
      out += {'\\', c};
    }
  }
  return out;
}

struct FreeMatch {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

// One pattern over texts: finds matches, counts the work.
class Matcher {
 public:
  Matcher(const pcre2_code* code, uint64_t budget)
      : code_(code),
        budget_(budget),
        data_(pcre2_match_data_create(1, nullptr)),
        context_(pcre2_match_context_create(nullptr)) {
    if (context_) pcre2_set_heap_limit(context_.get(), kHeapKiB);
  }

  // The first match from `from` on; begin == end: there is none.
  Status find(std::string_view text, size_t from, size_t* begin, size_t* end) {
    if (!data_ || !context_) return out_of_memory("not enough memory to split a text");
    int result = match(text, from, 0, kFirstSteps);
    // Work is bounded position by position: a limit says nothing of where it was met.
    for (size_t at = from; result == PCRE2_ERROR_MATCHLIMIT; at = next_character(text, at)) {
      if (at == text.size()) {
        result = PCRE2_ERROR_NOMATCH;
        break;
      }
      TERN_TRY(match_at(text, at, &result));
      if (result == PCRE2_ERROR_NOMATCH) result = PCRE2_ERROR_MATCHLIMIT;  // go on at the next character
    }
    *begin = *end = text.size();
    if (result == PCRE2_ERROR_NOMATCH) return {};
    if (result < 0) return too_much(result);
    const size_t* found = pcre2_get_ovector_pointer(data_.get());
    *begin = found[0], *end = found[1];
    return *begin < *end && *begin >= from ? Status() : internal_error("a split pattern matched an empty text");
  }

 private:
  int match(std::string_view text, size_t at, uint32_t options, uint32_t steps) {
    pcre2_set_match_limit(context_.get(), steps);
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    const int result =
        pcre2_match(code_, subject, text.size(), at, options | PCRE2_NO_UTF_CHECK, data_.get(), context_.get());
    return result == 0 ? 1 : result;  // 0: more groups than the data holds
  }

  Status match_at(std::string_view text, size_t at, int* result) {
    for (uint64_t steps = kFirstSteps;; steps *= 8) {
      if (steps > budget_ || steps > UINT32_MAX) return too_much(PCRE2_ERROR_MATCHLIMIT);
      budget_ -= steps;
      *result = match(text, at, PCRE2_ANCHORED, static_cast<uint32_t>(steps));
      if (*result != PCRE2_ERROR_MATCHLIMIT) return {};
    }
  }

  static size_t next_character(std::string_view text, size_t at) {
    do ++at;
    while (at < text.size() && (static_cast<uint8_t>(text[at]) & 0xc0) == 0x80);
    return at;
  }

  static Status too_much(int error) {
    if (error == PCRE2_ERROR_NOMEMORY) return out_of_memory("not enough memory to split a text");
    const bool limit =
        error == PCRE2_ERROR_MATCHLIMIT || error == PCRE2_ERROR_DEPTHLIMIT || error == PCRE2_ERROR_HEAPLIMIT;
    if (!limit) return internal_error(fmt::format("a split pattern failed with PCRE2 error {}", error));
    return invalid_argument("a split pattern of the tokenizer needs too many steps on this text");
  }

  const pcre2_code* code_;
  uint64_t budget_;
  std::unique_ptr<pcre2_match_data, FreeMatch> data_;
  std::unique_ptr<pcre2_match_context, FreeMatch> context_;
};

Status cut(Matcher& matcher, std::string_view text, std::vector<std::string_view>& pieces) {
  size_t begin = 0, end = 0;
  for (size_t from = 0; from < text.size(); from = end) {
    TERN_TRY(matcher.find(text, from, &begin, &end));
    if (begin > from) pieces.push_back(text.substr(from, begin - from));
    if (end > begin) pieces.push_back(text.substr(begin, end - begin));
  }
  return {};
}

// The same where the pattern sees the bytes in their alphabet: a character of it is a byte of the text.
Status cut_in_alphabet(Matcher& matcher, std::string_view text, std::vector<std::string_view>& pieces) {
  const std::string characters = to_byte_alphabet(text);
  std::vector<std::string_view> parts;
  TERN_TRY(cut(matcher, characters, parts));
  for (const std::string_view part : parts) {
    size_t bytes = 0;
    for (const char c : part) bytes += (static_cast<uint8_t>(c) & 0xc0) != 0x80;
    pieces.push_back(text.substr(0, bytes));
    text.remove_prefix(bytes);
  }
  return {};
}

}  // namespace

void Splitter::Free::operator()(pcre2_real_code_8* code) const { pcre2_code_free(code); }

Result<Splitter> Splitter::create(const std::vector<SplitPattern>& patterns) {
  Splitter splitter;
  for (size_t i = 0; i < patterns.size(); ++i) {
    const std::string where = fmt::format("tokenizer: split pattern {}", i);
    TERN_TRY(validate_split_pattern(patterns[i].pattern).within(where));
    const std::string pattern = to_pcre2(patterns[i].pattern);
    int error = 0;
    size_t at = 0;
    // Without auto-possession every character that is given back counts as a step.
    pcre2_code* code =
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                      PCRE2_UTF | PCRE2_UCP | PCRE2_NO_AUTO_POSSESS | PCRE2_NEVER_BACKSLASH_C, &error, &at, nullptr);
    if (!code) {
      char message[256] = "";
      pcre2_get_error_message(error, reinterpret_cast<PCRE2_UCHAR*>(message), sizeof message);
      return corrupt(fmt::format("{}: PCRE2 says: {}", where, message));
    }
    splitter.patterns_.push_back({std::unique_ptr<pcre2_real_code_8, Free>(code), patterns[i].byte_alphabet});
    uint32_t empty = 1;
    pcre2_pattern_info(code, PCRE2_INFO_MATCHEMPTY, &empty);
    if (empty != 0) return corrupt(where + " can match an empty text, so it does not cut");
  }
  return splitter;
}

Status Splitter::split(std::string_view text, std::vector<std::string_view>& pieces) const {
  if (text.empty()) return {};
  std::vector<std::string_view> parts{text}, next;
  for (const Pattern& pattern : patterns_) {
    Matcher matcher(pattern.code.get(), kStepsPerByte * text.size() + kSpareSteps);
    next.clear();
    for (const std::string_view part : parts) {
      TERN_TRY(pattern.byte_alphabet ? cut_in_alphabet(matcher, part, next) : cut(matcher, part, next));
    }
    parts.swap(next);
  }
  pieces.insert(pieces.end(), parts.begin(), parts.end());
  return {};
}

}  // namespace tern
