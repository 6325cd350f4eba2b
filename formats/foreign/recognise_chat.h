// Which of the built-in chat templates a published Jinja template is. The template is never executed: its canonical
// text (jinja_text.h) is compared with what the known ones are made of.
#pragma once

#include <optional>
#include <string_view>

#include "formats/tern/description.h"

namespace tern {

inline constexpr size_t kMaxJinjaBytes = size_t{1} << 20;

// The template whose rule holds. A rule names expressions that must all be there, word by word (how a user's turn is
// written, how an answer, what asks for one), texts that must not, and the markers ("<|x|>", "[X]", "<<X>>") that may
// occur: any other marker is one of a template that we do not know. If no rule holds, or rules of several templates
// do, the answer is none. What a template does with tools, images and dates is not looked at.
std::optional<ChatTemplate> recognise_chat_template(std::string_view jinja);

}  // namespace tern
