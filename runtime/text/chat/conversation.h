// What was said: the input of a chat template.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tern {

enum class ChatRole : uint8_t { user = 1, assistant = 2 };

struct ChatMessage {
  ChatRole role = ChatRole::user;
  std::string text;  // any bytes
  // Of an answer: the tokens that the model made, without the one that ended it. They stand in the conversation as
  // they were made; without them the text is encoded.
  std::vector<int32_t> ids;

  bool operator==(const ChatMessage&) const = default;
};

struct Conversation {
  std::optional<std::string> system;  // not given: the template's own, if it has one
  std::vector<ChatMessage> messages;  // user and assistant in turn, the user first

  bool operator==(const Conversation&) const = default;
};

}  // namespace tern
