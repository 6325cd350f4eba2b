// Any bytes as a published chat template: recognised or not, without a canonical text that grows. Any bytes as a
// conversation in each built-in template: rendered, and no message holds a special token.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/foreign/jinja_text.h"
#include "formats/foreign/recognise_chat.h"
#include "formats/tern/chat_template.h"
#include "runtime/text/chat/chat_format.h"

namespace {

void must(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "fuzz_chat: %s\n", what);
  std::abort();
}

// The bytes, then the templates' tokens.
std::unique_ptr<tern::Tokenizer> make_tokenizer() {
  tern::TokenizerData data;
  data.kind = tern::TokenizerKind::byte_bpe;
  data.add_dummy_prefix = data.escape_whitespaces = data.byte_fallback = false;
  for (int byte = 0; byte < 256; ++byte) {
    data.pieces.push_back({std::string(1, static_cast<char>(byte)), 0, tern::PieceType::normal});
  }
  for (const char* name : {"<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>",
                           "<|eot_id|>", "[INST]", "[/INST]", "<|system|>", "<|user|>", "<|assistant|>"}) {
    data.pieces.push_back({name, 0, tern::PieceType::control});
  }
  data.bos = 256, data.eos = 257, data.stop_ids = {257};
  auto tokenizer = tern::Tokenizer::create(data);
  must(tokenizer.ok(), "the vocabulary");
  return std::move(tokenizer).value();
}

size_t specials(const tern::ChatFormat& format, const tern::Conversation& conversation) {
  const auto ids = format.render(conversation);
  must(ids.ok(), "a conversation that is not rendered");
  return static_cast<size_t>(std::count_if(ids->begin(), ids->end(), [](int32_t id) { return id >= 256; }));
}

// A system message, then users' and answers in turn, between bytes 0x1e.
tern::Conversation conversation_of(std::string_view text) {
  tern::Conversation c;
  for (size_t i = 0; i < 8; ++i) {
    const size_t end = std::min(text.find('\x1e'), text.size());
    const std::string said(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (i == 0)
      c.system = said;
    else
      c.messages.push_back({i % 2 == 1 ? tern::ChatRole::user : tern::ChatRole::assistant, said, {}});
    if (text.empty() && i % 2 == 1) break;
  }
  if (c.messages.size() % 2 == 0) c.messages.pop_back();
  return c;
}

void render(const tern::Tokenizer& tokenizer, tern::ChatTemplate chat, const tern::Conversation& conversation) {
  const auto format = tern::ChatFormat::create(chat, tokenizer);
  must(format.ok(), "a template that the vocabulary lacks tokens for");
  tern::Conversation harmless = conversation;
  *harmless.system = "x";
  for (tern::ChatMessage& message : harmless.messages) message.text = "x";
  must(specials(*format, conversation) == specials(*format, harmless), "a message that holds a token");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto tokenizer = make_tokenizer();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto found = tern::recognise_chat_template(text);
  if (found) must(tern::find_chat_template(tern::name_of(*found)) == found, "a template without a name");
  must(tern::canonical_jinja(text).size() <= 3 * size + 8, "a canonical text that grows");
  if (size > 4096) return 0;
  const tern::Conversation conversation = conversation_of(text);
  for (const std::string& name : tern::chat_template_names()) {
    render(*tokenizer, *tern::find_chat_template(name), conversation);
  }
  return 0;
}
