// A conversation with a model: what was said, the sequence that holds it, and how both stay in step.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apps/generation.h"
#include "base/status.h"
#include "runtime/session/session.h"
#include "runtime/text/chat/chat_format.h"
#include "runtime/text/chat/saved_chat.h"
#include "runtime/text/tokenizer.h"

namespace tern::app {

class ChatSession {
 public:
  // The session and the tokenizer must outlive it. options: of every answer; the seed of an answer is
  // options.sampler.seed plus its place in the conversation, so that a conversation read back goes on as it would have.
  static Result<std::unique_ptr<ChatSession>> create(Session& session, const Tokenizer& tokenizer, ChatFormat format,
                                                     Conversation begin, GenerationOptions options);

  // Says something and gets an answer. Only what the sequence does not hold yet is run: the conversation is rendered
  // anew, the sequence cut to what both have in common. A message that does not fit into the context is refused and
  // forgotten; so is one that was interrupted before the first token of its answer.
  Result<Generation> say(const std::string& message, const std::function<bool(int32_t)>& on_token);

  Status reset();  // forgets all but the system message that it began with
  Status save(const std::string& path) const;
  Status load(const std::string& path);  // on an error nothing changes

  const Conversation& conversation() const { return conversation_; }
  const std::vector<int32_t>& tokens() const { return tokens_; }  // that the sequence holds
  uint64_t reused() const { return reused_; }                     // of them, when the last message came

 private:
  ChatSession(Session& session, const Tokenizer& tokenizer, ChatFormat format, Conversation begin,
              GenerationOptions options)
      : session_(session),
        tokenizer_(tokenizer),
        format_(std::move(format)),
        begin_(std::move(begin)),
        options_(std::move(options)),
        conversation_(begin_) {}

  Result<Generation> answer(const std::function<bool(int32_t)>& on_token);
  SavedChatKind kind() const { return saved_chat_kind(format_.chat(), tokenizer_.data()); }

  Session& session_;
  const Tokenizer& tokenizer_;
  ChatFormat format_;
  Conversation begin_;
  GenerationOptions options_;
  Conversation conversation_;
  SequenceId sequence_ = 0;
  std::vector<int32_t> tokens_;
  uint64_t reused_ = 0;
};

}  // namespace tern::app
