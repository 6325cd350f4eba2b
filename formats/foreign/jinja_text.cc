#include "formats/foreign/jinja_text.h"

#include <algorithm>
#include <cctype>

namespace tern {
namespace {

constexpr std::string_view kSpaces = " \t\r\n\f\v";

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool is_space(char c) { return kSpaces.find(c) != std::string_view::npos; }

std::string with_unix_line_ends(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    out += text[i];
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

class Canonical {
 public:
  explicit Canonical(std::string_view text) : text_(text) {}

  std::string run() {
    while (at_ < text_.size()) {
      const size_t open = next_tag();
      copy_text(text_.substr(at_, open - at_), open);
      at_ = open;
      if (at_ < text_.size()) copy_tag();
    }
    return std::move(out_);
  }

 private:
  size_t next_tag() const {
    for (size_t i = at_; i + 1 < text_.size(); ++i) {
      if (text_[i] == '{' && std::string_view("{%#").find(text_[i + 1]) != std::string_view::npos) return i;
    }
    return text_.size();
  }

  // Text between two tags, as much of it as the output would hold.
  void copy_text(std::string_view raw, size_t open) {
    bool line_starts = at_ == 0;
    if (cut_after_) {
      raw.remove_prefix(std::min(raw.find_first_not_of(kSpaces), raw.size()));
    } else if (block_before_ && raw.starts_with('\n')) {
      raw.remove_prefix(1);
      line_starts = true;
    }
    const char kind = open + 1 < text_.size() ? text_[open + 1] : '\0';
    const char sign = open + 2 < text_.size() ? text_[open + 2] : '\0';
    if (kind != '\0' && sign == '-') {
      raw = raw.substr(0, raw.find_last_not_of(kSpaces) + 1);
    } else if ((kind == '%' || kind == '#') && sign != '+') {
      const size_t line = raw.rfind('\n') + 1;  // 0 if there is none
      const bool blank = raw.find_first_not_of(" \t", line) == std::string_view::npos;
      if (blank && (line > 0 || line_starts)) raw = raw.substr(0, line);
    }
    out_ += raw;
  }

  // From "{%" to "%}", likewise the others.
  void copy_tag() {
    const char kind = text_[at_ + 1];
    const char close = kind == '{' ? '}' : kind;
    at_ += 2;
    if (at_ < text_.size() && (text_[at_] == '-' || text_[at_] == '+')) ++at_;
    if (kind != '#') out_ += {'{', kind};
    code_begin_ = out_.size();
    while (at_ < text_.size() && !closes(close)) {
      if (kind == '#') {
        ++at_;
      } else if (text_[at_] == '\'' || text_[at_] == '"') {
        copy_string();
      } else if (is_space(text_[at_])) {
        skip_space();
      } else {
        copy_code();
      }
    }
    block_before_ = kind != '{';
    cut_after_ = at_ < text_.size() && text_[at_] == '-';
    if (at_ < text_.size() && text_[at_] == '+') block_before_ = false;
    if (at_ < text_.size() && text_[at_] != close) ++at_;
    at_ = std::min(at_ + 2, text_.size());
    if (kind != '#') out_ += {close, '}'};
  }

  // At "%}", "-%}" or "+%}".
  bool closes(char close) const {
    const std::string_view rest = text_.substr(at_);
    const size_t sign = rest.starts_with('-') || rest.starts_with('+') ? 1 : 0;
    return rest.size() >= sign + 2 && rest[sign] == close && rest[sign + 1] == '}';
  }

  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    if (at_ < text_.size() && out_.size() > code_begin_ && is_word(out_.back()) && is_word(text_[at_])) out_ += ' ';
  }

  void copy_string() {
    const char quote = text_[at_++];
    if (string_end_ != 0 && string_end_ + 1 == out_.size() && out_.back() == '+') {
      out_.resize(string_end_ - 1);  // 'a' + 'b'
    } else {
      out_ += '\'';
    }
    for (; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
        constexpr std::string_view kNames = "ntr", kMeanings = "\n\t\r";
        const size_t known = kNames.find(text_[++at_]);
        out_ += known == std::string_view::npos ? text_[at_] : kMeanings[known];
      } else {
        out_ += text_[at_];
      }
    }
    at_ = std::min(at_ + 1, text_.size());
    out_ += '\'';
    string_end_ = out_.size();
  }

  void copy_code() {
    for (const std::string_view field : {"content", "role"}) {
      const std::string_view rest = text_.substr(at_);
      if (!rest.starts_with('.') || !rest.substr(1).starts_with(field)) continue;
      if (out_.size() == code_begin_ || (!is_word(out_.back()) && out_.back() != ']')) continue;
      if (rest.size() > field.size() + 1 && is_word(rest[field.size() + 1])) continue;
      out_ += "['";
      out_ += field;
      out_ += "']";
      at_ += field.size() + 1;
      return;
    }
    out_ += text_[at_++];
  }

  std::string_view text_;
  size_t at_ = 0;
  std::string out_;
  size_t code_begin_ = 0;                          // of the tag being copied, in out_
  size_t string_end_ = 0;                          // behind the last string, in out_
  bool cut_after_ = false, block_before_ = false;  // of the tag before: "-%}"; a block or a comment
};

}  // namespace

std::string canonical_jinja(std::string_view text) {
  const std::string unix_text = with_unix_line_ends(text);
  return Canonical(unix_text).run();
}

}  // namespace tern
