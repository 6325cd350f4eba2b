// A conversation as the tokens that a model was trained to see. Special tokens come from the template alone: what was
// said is encoded as plain text (Tokenizer::encode), in which control tokens never occur, and where a vocabulary holds
// a template's token as a user-defined piece, which plain text does find, its name is cut in what was said.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "formats/tern/description.h"
#include "runtime/text/chat/chat_patterns.h"
#include "runtime/text/chat/conversation.h"
#include "runtime/text/tokenizer.h"

namespace tern {

class ChatFormat {
 public:
  // The tokenizer must outlive the format. Fails with unsupported if the template is not known, or needs a token that
  // the vocabulary does not have as a special one: named in the error.
  static Result<ChatFormat> create(ChatTemplate chat, const Tokenizer& tokenizer);

  // The whole conversation and what asks for the next answer. Roles must alternate, from a user to a user. Answers
  // with ids stand as these ids (a template that drops thoughts encodes those with thoughts again), so what a sequence
  // holds after an answer is, up to the template's own changes of history, a prefix of the next rendering.
  Result<std::vector<int32_t>> render(const Conversation& conversation) const;

  ChatTemplate chat() const { return pattern_->chat; }
  // Tokens that end an answer: the vocabulary's, and the one that the template closes an answer with.
  const std::vector<int32_t>& stop_ids() const { return stop_ids_; }

 private:
  enum class PartKind { text, token, system, user };
  struct Part {
    PartKind kind = PartKind::text;
    std::string text;
    int32_t token = -1;
  };
  using Parts = std::vector<Part>;
  class Writer;

  ChatFormat(const ChatPattern& pattern, const Tokenizer& tokenizer) : pattern_(&pattern), tokenizer_(&tokenizer) {}
  Status parse();
  Result<Parts> parse(std::string_view pattern);
  Result<Part> parse_slot(std::string_view slot);
  Result<int32_t> special(std::string_view name, bool required);
  Status write_answer(const ChatMessage& answer, Writer& writer) const;

  const ChatPattern* pattern_;
  const Tokenizer* tokenizer_;
  Parts begin_, system_, user_, prompt_, history_, close_;
  std::vector<std::string> guarded_;  // names of tokens that plain text would find
  std::vector<int32_t> stop_ids_;
};

}  // namespace tern
