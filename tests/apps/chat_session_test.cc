// What a conversation leaves in the sequence is what a fresh run of the same tokens would leave.
#include "apps/chat_session.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "formats/tern/chat_template.h"
#include "runtime/text/vocabulary.h"
#include "tests/base/scratch_directory.h"
#include "tests/runtime/tiny_model.h"
#include "tests/text/chat_fixture.h"

using namespace tern;
using namespace tern::app;
using namespace tern::test;

namespace {

constexpr uint32_t kPaddedVocabulary = 320;  // the tokenizer has fewer pieces

TinyShape shape(uint64_t seed) {
  TinyShape s = tiny_shapes()[0];
  s.config.vocab_size = kPaddedVocabulary;
  s.config.context = 400;
  s.seed = seed;
  return s;
}

GenerationOptions sampled(const Tokenizer& tokenizer) {
  GenerationOptions o;
  o.predict = 7;
  o.sampler.temperature = 3, o.sampler.top_k = 0, o.sampler.top_p = 1, o.sampler.min_p = 0;
  o.sampler.repeat_penalty = 1.3f;
  o.sampler.seed = 5;
  o.batch = 11;
  o.usable = usable_tokens(tokenizer.data());
  return o;
}

struct Room {
  explicit Room(uint64_t seed = 1, uint32_t context = 0) : file(shape(seed)) {
    SessionOptions options;
    options.context = context;
    options.threads = 2;
    session = Session::create(file.load(), options).value();
  }
  std::unique_ptr<ChatSession> chat(ChatTemplate chosen, std::optional<std::string> system = {}) {
    return ChatSession::create(*session, *vocabulary.tokenizer,
                               ChatFormat::create(chosen, *vocabulary.tokenizer).value(), {system, {}},
                               sampled(*vocabulary.tokenizer))
        .value();
  }

  TinyFile file;
  ChatVocabulary vocabulary;
  std::unique_ptr<Session> session;
};

const auto kShowNothing = [](int32_t) { return true; };

uint64_t fresh_logits(Session& session, const std::vector<int32_t>& tokens) {
  const SequenceId sequence = session.add_sequence().value();
  std::vector<StepToken> step;
  for (const int32_t token : tokens) step.push_back({sequence, token, false});
  step.back().want_logits = true;
  REQUIRE(session.step(step).ok());
  const uint64_t hash = hash_logits(session.logits(0));
  REQUIRE(session.remove(sequence).ok());
  return hash;
}

}  // namespace

TEST_CASE("reusing the prefix gives the logits of a fresh run", "[chat]") {
  for (const ChatTemplate chosen : {ChatTemplate::chatml, ChatTemplate::llama2, ChatTemplate::mistral_v3,
                                    ChatTemplate::qwen3_no_think, ChatTemplate::zephyr}) {
    INFO(name_of(chosen));
    Room room;
    const auto chat = room.chat(chosen, "Be brief.");
    for (const char* message : {"Hello", "What is that?", "x"}) {
      const size_t held = chat->tokens().size();
      REQUIRE(chat->say(message, kShowNothing).ok());
      const uint64_t logits = hash_logits(room.session->logits(room.session->logits_count() - 1));
      CHECK(logits == fresh_logits(*room.session, chat->tokens()));
      const bool rewritten = chosen == ChatTemplate::mistral_v3 || chosen == ChatTemplate::qwen3_no_think;
      CHECK((chat->reused() == held) == (!rewritten || held == 0));  // all that was there, unless history changes
      if (held > 0) CHECK(chat->reused() > 0);
    }
    CHECK(chat->conversation().messages.size() == 6);
  }
}

TEST_CASE("ids without a piece are never chosen", "[chat]") {
  Room room;
  const auto chat = room.chat(ChatTemplate::chatml);
  const auto pieces = static_cast<int32_t>(room.vocabulary.tokenizer->data().pieces.size());
  REQUIRE(pieces < static_cast<int32_t>(kPaddedVocabulary));
  bool padding_was_best = false;
  for (int i = 0; i < 12; ++i) {
    REQUIRE(chat->say("a", kShowNothing).ok());
    for (const int32_t id : chat->conversation().messages.back().ids) CHECK(id < pieces);
    const auto logits = room.session->logits(room.session->logits_count() - 1);
    padding_was_best |= std::max_element(logits.begin(), logits.end()) - logits.begin() >= pieces;
  }
  CHECK(padding_was_best);  // else this test shows nothing
}

TEST_CASE("a conversation that does not fit is refused, and goes on", "[chat]") {
  Room room(1, 56);
  const auto chat = room.chat(ChatTemplate::chatml);
  REQUIRE(chat->say("Hello", kShowNothing).ok());
  const auto refused = chat->say(std::string(100, 'x'), kShowNothing);
  CHECK(refused.status().message().find("the context holds 56") != std::string::npos);
  CHECK(chat->conversation().messages.size() == 2);
  const auto full = chat->say("a", kShowNothing);
  REQUIRE(full.ok());
  CHECK(full->end == GenerationEnd::context_full);
  CHECK(chat->tokens().size() == 56);
  CHECK_FALSE(chat->say("a", kShowNothing).ok());
  REQUIRE(chat->reset().ok());
  CHECK(chat->conversation().messages.empty());
  CHECK(chat->say("Hello", kShowNothing).ok());
}

TEST_CASE("a saved conversation goes on as it would have", "[chat]") {
  const ScratchDirectory scratch;
  const std::string path = scratch / "a.chat";
  Room room;
  const auto chat = room.chat(ChatTemplate::chatml, "Be brief.");
  REQUIRE(chat->say("Hello", kShowNothing).ok());
  REQUIRE(chat->save(path).message() == "");
  REQUIRE(chat->say("And now?", kShowNothing).ok());

  Room other_room;
  const auto other = other_room.chat(ChatTemplate::chatml);
  REQUIRE(other->say("something else", kShowNothing).ok());
  REQUIRE(other->load(path).message() == "");
  REQUIRE(other->say("And now?", kShowNothing).ok());
  CHECK(other->conversation() == chat->conversation());
  CHECK(other->tokens() == chat->tokens());
  CHECK(other->reused() == chat->reused());

  Room stranger(2);
  const auto strange = stranger.chat(ChatTemplate::chatml);
  REQUIRE(strange->say("Hi", kShowNothing).ok());
  const auto before = strange->conversation();
  CHECK(strange->load(path).message().find("another model") != std::string::npos);
  CHECK(strange->load(scratch / "none").message().find("none") != std::string::npos);
  CHECK(stranger.chat(ChatTemplate::qwen2)->load(path).message().find("this is qwen2") != std::string::npos);
  CHECK(strange->conversation() == before);
  CHECK(strange->say("And?", kShowNothing).ok());
}
