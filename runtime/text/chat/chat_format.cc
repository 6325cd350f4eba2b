#include "runtime/text/chat/chat_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "formats/tern/chat_template.h"

namespace tern {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\n\r\f\v";
  const size_t begin = text.find_first_not_of(kSpaces);
  return begin == std::string_view::npos ? "" : text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

constexpr std::string_view kThoughtEnd = "</think>";

std::string_view without_thoughts(std::string_view text) {
  const size_t at = text.rfind(kThoughtEnd);
  if (at == std::string_view::npos) return text;
  text.remove_prefix(at + kThoughtEnd.size());
  text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
  return text;
}

}  // namespace

// Gathers text until a token comes, so that a template's words and the user's are encoded as the one text they are.
class ChatFormat::Writer {
 public:
  Writer(const ChatFormat& format, std::vector<int32_t>& ids) : format_(format), ids_(ids) {}

  void text(std::string_view text) { text_ += text; }

  // What somebody said: names of tokens are cut behind their first character.
  Status said(std::string_view text) {
    for (size_t i = 0; i < text.size(); ++i) {
      text_ += text[i];
      const auto begins = [&](const std::string& name) { return text.substr(i).starts_with(name); };
      if (std::any_of(format_.guarded_.begin(), format_.guarded_.end(), begins)) TERN_TRY(cut(true));
    }
    return {};
  }

  Status tokens(std::span<const int32_t> tokens, bool inner) {
    TERN_TRY(cut(inner));
    ids_.insert(ids_.end(), tokens.begin(), tokens.end());
    return {};
  }

  // Encodes what has come so far; inner: what follows goes on where this ends.
  Status cut(bool inner) {
    if (!text_.empty()) {
      TERN_ASSIGN(const std::vector<int32_t> more,
                  inner_ ? format_.tokenizer_->encode_inner(text_) : format_.tokenizer_->encode(text_, false));
      ids_.insert(ids_.end(), more.begin(), more.end());
      text_.clear();
    }
    inner_ = inner;
    return {};
  }

  Status parts(const Parts& parts, std::string_view system, std::string_view user) {
    for (const Part& part : parts) {
      if (part.kind == PartKind::token) {
        TERN_TRY(tokens({&part.token, 1}, format_.pattern_->spaces_written));
      } else if (part.kind == PartKind::text) {
        text(part.text);
      } else {
        TERN_TRY(said(part.kind == PartKind::system ? system : user));
      }
    }
    return {};
  }

 private:
  const ChatFormat& format_;
  std::vector<int32_t>& ids_;
  std::string text_;
  bool inner_ = false;
};

Result<ChatFormat> ChatFormat::create(ChatTemplate chat, const Tokenizer& tokenizer) {
  const ChatPattern* pattern = find_chat_pattern(chat);
  if (pattern == nullptr) {
    return unsupported(fmt::format("chat template {} is not one that this version has built in", name_of(chat)));
  }
  ChatFormat format(*pattern, tokenizer);
  TERN_TRY(format.parse().within(fmt::format("chat template {}", name_of(chat))));
  return format;
}

Status ChatFormat::parse() {
  TERN_ASSIGN(begin_, parse(pattern_->begin));
  TERN_ASSIGN(system_, parse(pattern_->system));
  TERN_ASSIGN(user_, parse(pattern_->user));
  TERN_ASSIGN(prompt_, parse(pattern_->prompt));
  TERN_ASSIGN(history_, parse(pattern_->history.empty() ? pattern_->prompt : pattern_->history));
  TERN_ASSIGN(close_, parse(pattern_->close));
  stop_ids_ = tokenizer_->data().stop_ids;
  const auto end = std::find_if(close_.begin(), close_.end(), [](const Part& p) { return p.kind == PartKind::token; });
  if (end != close_.end() && !tokenizer_->is_stop(end->token)) stop_ids_.push_back(end->token);
  return {};
}

Result<ChatFormat::Parts> ChatFormat::parse(std::string_view pattern) {
  Parts parts;
  while (!pattern.empty()) {
    const size_t open = std::min(pattern.find('{'), pattern.size());
    if (open > 0) parts.push_back({PartKind::text, std::string(pattern.substr(0, open)), -1});
    pattern.remove_prefix(open);
    if (pattern.empty()) break;
    const size_t close = pattern.find('}');
    TERN_ASSIGN(Part part, parse_slot(pattern.substr(1, close - 1)));
    parts.push_back(std::move(part));
    pattern.remove_prefix(close + 1);
  }
  return parts;
}

Result<ChatFormat::Part> ChatFormat::parse_slot(std::string_view slot) {
  if (slot == "system") return Part{PartKind::system, "", -1};
  if (slot == "user") return Part{PartKind::user, "", -1};
  const TokenizerData& data = tokenizer_->data();
  for (const auto& [name, id] : {std::pair{"bos", data.bos}, {"eos", data.eos}}) {
    if (slot != name) continue;
    if (id < 0) return unsupported(fmt::format("it needs a token {}, which the vocabulary does not name", name));
    return Part{PartKind::token, "", id};
  }
  const bool required = slot.starts_with('!');
  slot.remove_prefix(1);
  TERN_ASSIGN(const int32_t id, special(slot, required));
  return id < 0 ? Part{PartKind::text, std::string(slot), -1} : Part{PartKind::token, "", id};
}

// The id of a control or user-defined piece; -1 if there is none and none is required.
Result<int32_t> ChatFormat::special(std::string_view name, bool required) {
  const std::vector<Piece>& pieces = tokenizer_->data().pieces;
  const auto found = std::find_if(pieces.begin(), pieces.end(), [&](const Piece& piece) {
    return piece.text == name && (piece.type == PieceType::control || piece.type == PieceType::user_defined);
  });
  if (found == pieces.end()) {
    if (!required) return -1;
    return unsupported(fmt::format("it needs the special token {}, which the vocabulary does not have", name));
  }
  if (found->type == PieceType::user_defined) guarded_.emplace_back(name);
  return static_cast<int32_t>(found - pieces.begin());
}

Status ChatFormat::write_answer(const ChatMessage& answer, Writer& writer) const {
  TERN_TRY(writer.parts(history_, "", ""));
  const bool thought = pattern_->drop_thinking && answer.text.find(kThoughtEnd) != std::string::npos;
  if (!answer.ids.empty() && !thought) {
    TERN_TRY(writer.tokens(answer.ids, true));
  } else {
    const std::string_view text = thought ? without_thoughts(answer.text) : std::string_view(answer.text);
    writer.text(pattern_->lead);
    TERN_TRY(writer.said(pattern_->trim_answer ? trimmed(text) : text));
  }
  return writer.parts(close_, "", "");
}

Result<std::vector<int32_t>> ChatFormat::render(const Conversation& conversation) const {
  using SystemAt = ChatPattern::SystemAt;
  const auto& messages = conversation.messages;
  const bool given = conversation.system.has_value();
  const std::string system = given ? *conversation.system : pattern_->default_system ? pattern_->default_system : "";
  const bool has_system = given || pattern_->default_system != nullptr;
  const auto said = [&](std::string_view text) { return pattern_->trim ? trimmed(text) : text; };
  const bool own_turn = pattern_->system_at == SystemAt::own_turn;
  const size_t with_system = pattern_->system_at == SystemAt::first_user ? 0 : messages.size() - 1;

  std::vector<int32_t> ids;
  Writer writer(*this, ids);
  TERN_TRY(writer.parts(begin_, "", ""));
  if (has_system && own_turn) TERN_TRY(writer.parts(system_, said(system), ""));
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role != (i % 2 == 0 ? ChatRole::user : ChatRole::assistant)) {
      return invalid_argument(fmt::format("conversation: message {} is out of turn", i));
    }
    if (messages[i].role == ChatRole::assistant) {
      TERN_TRY(write_answer(messages[i], writer));
      continue;
    }
    const bool holds_system = has_system && !own_turn && i == with_system;
    TERN_TRY(writer.parts(holds_system ? system_ : user_, system, said(messages[i].text)));
  }
  if (messages.size() % 2 == 0) return invalid_argument("conversation: no message of a user asks for an answer");
  TERN_TRY(writer.parts(prompt_, "", ""));
  TERN_TRY(writer.cut(false));
  return ids;
}

}  // namespace tern
