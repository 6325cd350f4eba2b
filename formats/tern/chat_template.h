// The names of chat templates: those of --chat-template, of inspect and of the table in docs/format.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/tern/description.h"

namespace tern {

// "llama3"; "unknown (99)" for a number that this version does not know.
std::string name_of(ChatTemplate chat);
std::optional<ChatTemplate> find_chat_template(std::string_view name);
std::vector<std::string> chat_template_names();  // in the order of their numbers

}  // namespace tern
