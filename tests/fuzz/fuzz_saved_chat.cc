// Any bytes as a saved chat: an error that says where, or a conversation that is written back as the same bytes. The
// bytes are tried as they are and with their hash and tokenizer made right, else these shield all that lies behind.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "formats/tern/hash.h"
#include "runtime/text/chat/saved_chat.h"

namespace {

using ChatBytes = std::vector<std::byte>;
constexpr tern::SavedChatKind kKind = {tern::ChatTemplate::chatml, 0x1122334455667788, 300};

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "fuzz_saved_chat: %s\n", what);
  std::abort();
}

void read(const ChatBytes& bytes) {
  const auto saved = tern::read_saved_chat(kKind, bytes);
  if (!saved.ok()) {
    require(saved.status().message().starts_with("saved chat: "), "an error that does not say where");
    return;
  }
  require(saved->conversation.messages.size() % 2 == 0, "a question without an answer");
  for (const int32_t token : saved->tokens) require(token >= 0 && token < 300, "a token outside of the vocabulary");
  require(tern::write_saved_chat(kKind, *saved) == bytes, "a chat that is not written as it was read");
}

void seal(ChatBytes& bytes) {
  if (bytes.size() < 56) return;
  std::memcpy(bytes.data() + 16, &kKind.tokenizer, 8);
  const uint64_t hash = tern::hash64(std::span(bytes).first(bytes.size() - 8));
  std::memcpy(bytes.data() + bytes.size() - 8, &hash, 8);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  ChatBytes bytes(begin, begin + size);
  read(bytes);
  seal(bytes);
  read(bytes);
  return 0;
}
