#include "runtime/text/chat/saved_chat.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "formats/tern/hash.h"
#include "tests/text/chat_fixture.h"

using namespace tern;
using namespace tern::test;

namespace {

using ChatBytes = std::vector<std::byte>;

const ChatBytes kState(13, std::byte{7});

SavedChatKind kind_of(ChatTemplate chat = ChatTemplate::chatml) {
  return saved_chat_kind(chat, chat_vocabulary(PieceType::control));
}

SavedChat some_chat() {
  SavedChat saved;
  saved.conversation.system = "be\0 brief";
  saved.conversation.messages = {{ChatRole::user, "Hi \xff", {}}, {ChatRole::assistant, "Yo", {256, 3}}};
  saved.tokens = {1, 2, 256, 3};
  saved.state = kState;
  return saved;
}

void seal(ChatBytes& bytes) {
  const uint64_t hash = hash64(std::span(bytes).first(bytes.size() - 8));
  std::memcpy(bytes.data() + bytes.size() - 8, &hash, 8);
}

std::string error_of(const ChatBytes& bytes, const SavedChatKind& kind = kind_of()) {
  return read_saved_chat(kind, bytes).status().message();
}

template <class T>
std::string error_with(size_t at, T value) {
  ChatBytes bytes = write_saved_chat(kind_of(), some_chat());
  std::memcpy(bytes.data() + at, &value, sizeof value);
  seal(bytes);
  return error_of(bytes);
}

void says(const std::string& message, const std::string& expected) {
  INFO("'" << message << "' should say '" << expected << "'");
  CHECK(message.find("saved chat: ") == 0);
  CHECK(message.find(expected) != std::string::npos);
}

}  // namespace

TEST_CASE("a saved chat reads as it was written", "[chat]") {
  for (const bool system : {true, false}) {
    SavedChat saved = some_chat();
    if (!system) saved.conversation.system.reset();
    const ChatBytes bytes = write_saved_chat(kind_of(), saved);
    const auto again = read_saved_chat(kind_of(), bytes);
    REQUIRE(again.status().message() == "");
    CHECK(again->conversation == saved.conversation);
    CHECK(again->tokens == saved.tokens);
    CHECK(ChatBytes(again->state.begin(), again->state.end()) == kState);
  }
  const ChatBytes empty = write_saved_chat(kind_of(), {});
  CHECK(empty.size() == 56);
  CHECK(read_saved_chat(kind_of(), empty).ok());
}

TEST_CASE("a saved chat that is broken, cut or of something else is refused", "[chat]") {
  const ChatBytes bytes = write_saved_chat(kind_of(), some_chat());
  for (size_t size = 0; size < bytes.size(); ++size) {
    ChatBytes cut(bytes.begin(), bytes.begin() + static_cast<long>(size));
    CHECK_FALSE(read_saved_chat(kind_of(), cut).ok());
    if (size >= 8) seal(cut);
    CHECK_FALSE(read_saved_chat(kind_of(), cut).ok());
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    ChatBytes flipped = bytes;
    flipped[i] ^= std::byte{1};
    CHECK_FALSE(read_saved_chat(kind_of(), flipped).ok());
  }
  says(error_of(bytes, kind_of(ChatTemplate::qwen2)), "chat template chatml, this is qwen2");
  SavedChatKind other = kind_of();
  other.tokenizer ^= 1;
  says(error_of(bytes, other), "another tokenizer");
  says(error_with<uint32_t>(8, 2), "version 2");
  says(error_with<uint16_t>(14, 3), "reserved");
  says(error_with<uint16_t>(14, 0), "reserved");  // a system message that is none
  says(error_with<uint32_t>(24, 1), "1 messages");
  says(error_with<uint32_t>(24, 0xfffffffe), "messages reach beyond");
  says(error_with<uint32_t>(28, 0x7fffffff), "tokens reach beyond");
  says(error_with<uint64_t>(32, ~uint64_t{0}), "bytes of sequence state");
  says(error_with<uint64_t>(40, ~uint64_t{0}), "system message reaches beyond");
  const size_t first = 48 + some_chat().conversation.system->size();
  says(error_with<uint32_t>(first, 2), "out of turn");
  says(error_with<uint32_t>(first + 4, 1), "a question has tokens");
  says(error_with<uint64_t>(first + 8, 1000), "message reaches beyond");
  says(error_with<int32_t>(first + 16 + 4 + 16, 100000), "token 100000");
  says(error_with<int32_t>(first + 16 + 4 + 16, -1), "token -1");
}
