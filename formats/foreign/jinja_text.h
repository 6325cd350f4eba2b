// The text of a Jinja template in one spelling, so that templates which write the same can be told by comparing texts.
// Nothing is evaluated: this is a lexer that knows tags, strings and the rules for white space around tags.
#pragma once

#include <string>
#include <string_view>

namespace tern {

// - Line ends are LF. Comments are gone, and so is the white space outside of tags that does not reach the output when
//   Hugging Face renders (trim_blocks, lstrip_blocks, the '-' of "{%-", one newline at the end).
// - Inside tags: no white space but a space between two words; strings in single quotes with \n, \t, \r, \\, \' and \"
//   decoded; 'a' + 'b' becomes 'ab'; message.content and message["content"] become message['content'], likewise role.
std::string canonical_jinja(std::string_view text);

}  // namespace tern
