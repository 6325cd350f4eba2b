#include "apps/chat_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "apps/terminal.h"
#include "base/atomic_file.h"

namespace tern::app {

Result<std::unique_ptr<ChatSession>> ChatSession::create(Session& session, const Tokenizer& tokenizer,
                                                         ChatFormat format, Conversation begin,
                                                         GenerationOptions options) {
  options.stop_ids = format.stop_ids();
  std::unique_ptr<ChatSession> chat(
      new ChatSession(session, tokenizer, std::move(format), std::move(begin), std::move(options)));
  TERN_ASSIGN(chat->sequence_, session.add_sequence());
  return chat;
}

Result<Generation> ChatSession::say(const std::string& message, const std::function<bool(int32_t)>& on_token) {
  conversation_.messages.push_back({ChatRole::user, message, {}});
  auto result = answer(on_token);
  if (conversation_.messages.back().role == ChatRole::user) conversation_.messages.pop_back();
  return result;
}

Result<Generation> ChatSession::answer(const std::function<bool(int32_t)>& on_token) {
  TERN_ASSIGN(std::vector<int32_t> ids, format_.render(conversation_));
  if (ids.size() > session_.context()) {
    return invalid_argument(
        fmt::format("with this message the conversation has {} tokens, the context holds {}: it is not sent (/reset "
                    "begins anew, -c raises the context)",
                    ids.size(), session_.context()));
  }
  const auto common = std::mismatch(tokens_.begin(), tokens_.end(), ids.begin(), ids.end()).second - ids.begin();
  reused_ = std::min(static_cast<uint64_t>(common), ids.size() - 1);  // the last one gives the logits
  TERN_TRY(session_.truncate(sequence_, static_cast<uint32_t>(reused_)));

  GenerationOptions options = options_;
  options.before.assign(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(reused_));
  options.sampler.seed += conversation_.messages.size();
  ChatMessage answer{ChatRole::assistant, "", {}};
  int32_t previous = -1;  // an answer begins a text: no dummy space
  auto result = generate(session_, sequence_, std::span(ids).subspan(reused_), options, [&](int32_t token) {
    answer.ids.push_back(token);
    answer.text += tokenizer_.piece(token, std::exchange(previous, token));
    return on_token(token);
  });
  tokens_ = std::move(ids);
  tokens_.insert(tokens_.end(), answer.ids.begin(), answer.ids.end());
  tokens_.resize(session_.length(sequence_));
  const bool nothing_said = result.ok() && result->end == GenerationEnd::interrupted && answer.ids.empty();
  if (result.ok() && !nothing_said) conversation_.messages.push_back(std::move(answer));
  return result;
}

Status ChatSession::reset() {
  TERN_TRY(session_.truncate(sequence_, 0));
  tokens_.clear();
  conversation_ = begin_;
  return {};
}

Status ChatSession::save(const std::string& path) const {
  TERN_ASSIGN(const uint64_t state_bytes, session_.saved_bytes(sequence_));
  std::vector<std::byte> state(state_bytes);
  TERN_TRY(session_.save(sequence_, state));
  const std::vector<std::byte> bytes = write_saved_chat(kind(), {conversation_, tokens_, state});
  TERN_ASSIGN(AtomicFile file, AtomicFile::create(path));
  TERN_TRY(file.append(bytes));
  return file.commit();
}

Status ChatSession::load(const std::string& path) {
  TERN_ASSIGN(const std::string text, read_text(path));
  auto saved = read_saved_chat(kind(), std::as_bytes(std::span(text)));
  if (!saved.ok()) return saved.status().within(path);
  const auto sequence = session_.restore(saved->state);
  if (!sequence.ok()) return sequence.status().within(path);
  if (session_.length(*sequence) != saved->tokens.size()) {
    TERN_TRY(session_.remove(*sequence));
    return corrupt(path + ": saved chat: its tokens are not those of its sequence");
  }
  TERN_TRY(session_.remove(sequence_));
  sequence_ = *sequence;
  conversation_ = std::move(saved->conversation);
  tokens_ = std::move(saved->tokens);
  return {};
}

}  // namespace tern::app
