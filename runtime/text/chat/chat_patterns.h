// The built-in chat templates as data: how each writes its turns.
#pragma once

#include <string_view>

#include "formats/tern/description.h"

namespace tern {

// Texts in which these stand for something:
//   {bos} {eos}   tokens of the vocabulary
//   {!NAME}       the control token of that name; a vocabulary without it cannot be used with the template
//   {?NAME}       the same where the vocabulary has that token, else the name as a text
//   {system} {user} {answer}  what was said
// All else is text, encoded together with what was said next to it.
struct ChatPattern {
  enum class SystemAt { own_turn, first_user, last_user };

  ChatTemplate chat = {};
  std::string_view begin = {};   // before all
  std::string_view system = {};  // own_turn: the system turn; else the user's turn that holds the system message
  std::string_view user = {};    // the user's turn
  std::string_view prompt = {};  // what asks for an answer, and begins it
  std::string_view lead = {};    // before the text of an answer; a model makes it itself
  std::string_view close = {};   // after an answer; its first token ends the turn
  SystemAt system_at = SystemAt::own_turn;
  const char* default_system = nullptr;  // a system message where none is given
  std::string_view history = {};         // what begins an answer that was given before; empty: as prompt
  bool trim = false;                     // white space around a message is dropped
  bool trim_answer = false;              // around an answer's text
  bool spaces_written = false;           // text after a token gets no dummy prefix: the template writes its spaces
  bool drop_thinking = false;            // an answer given before loses what stands up to </think>
};

// nullptr for a number that this version does not know.
const ChatPattern* find_chat_pattern(ChatTemplate chat);

}  // namespace tern
