#include "runtime/text/chat/saved_chat.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <utility>

#include "formats/tern/chat_template.h"
#include "formats/tern/hash.h"
#include "formats/tern/sections.h"
#include "formats/tern/wire.h"

namespace tern {
namespace {

using Magic = std::array<char, 8>;
constexpr Magic kMagic = {'T', 'E', 'R', 'N', 'C', 'H', 'T', '\0'};
constexpr uint32_t kVersion = 1;
constexpr uint64_t kHeaderBytes = 48, kHashBytes = 8, kMessageBytes = 16;

Status broken(const std::string& what) { return corrupt("saved chat: " + what); }

struct Header {
  uint32_t version = 0;
  uint16_t chat = 0, has_system = 0;
  uint64_t tokenizer = 0;
  uint32_t messages = 0, tokens = 0;
  uint64_t state_bytes = 0, system_bytes = 0;
};

Header read_header(ByteReader& in) {
  Header h;
  h.version = in.get<uint32_t>();
  h.chat = in.get<uint16_t>();
  h.has_system = in.get<uint16_t>();
  h.tokenizer = in.get<uint64_t>();
  h.messages = in.get<uint32_t>();
  h.tokens = in.get<uint32_t>();
  h.state_bytes = in.get<uint64_t>();
  h.system_bytes = in.get<uint64_t>();
  return h;
}

Status check_hash(std::span<const std::byte> bytes) {
  uint64_t stored;
  std::memcpy(&stored, bytes.data() + bytes.size() - kHashBytes, sizeof stored);
  return stored == hash64(bytes.first(bytes.size() - kHashBytes)) ? Status() : broken("the hash does not match");
}

Status check_header(const SavedChatKind& kind, const Header& h) {
  if (h.tokenizer != kind.tokenizer) return invalid_argument("saved chat: it was saved with another tokenizer");
  if (h.chat != static_cast<uint16_t>(kind.chat)) {
    return invalid_argument(fmt::format("saved chat: it was saved with the chat template {}, this is {}",
                                        name_of(static_cast<ChatTemplate>(h.chat)), name_of(kind.chat)));
  }
  if (h.has_system > 1 || (h.has_system == 0 && h.system_bytes != 0)) return broken("a reserved bit is set");
  if (h.messages % 2 != 0) return broken(fmt::format("{} messages, expected questions with answers", h.messages));
  return {};
}

Result<std::vector<int32_t>> read_tokens(ByteReader& in, uint32_t count, uint32_t pieces) {
  if (count > in.remaining() / sizeof(int32_t)) return broken(fmt::format("{} tokens reach beyond its end", count));
  std::vector<int32_t> tokens(count);
  for (int32_t& token : tokens) {
    token = in.get<int32_t>();
    if (token < 0 || static_cast<uint32_t>(token) >= pieces) {
      return broken(fmt::format("token {} is none of the {} pieces", token, pieces));
    }
  }
  return tokens;
}

Result<ChatMessage> read_message(ByteReader& in, ChatRole role, uint32_t pieces) {
  const auto stored = in.get<uint32_t>(), tokens = in.get<uint32_t>();
  const auto bytes = in.get<uint64_t>();
  if (stored != static_cast<uint32_t>(role)) return broken("a message is out of turn");
  if (role == ChatRole::user && tokens != 0) return broken("a question has tokens");
  ChatMessage message{role, "", {}};
  TERN_ASSIGN(message.ids, read_tokens(in, tokens, pieces));
  message.text = std::string(in.text(bytes));
  if (in.failed()) return broken("a message reaches beyond its end");
  return message;
}

}  // namespace

uint64_t tokenizer_fingerprint(const TokenizerData& data) {
  ByteWriter w;
  write_tokenizer(w, data);
  return hash64(w.bytes());
}

SavedChatKind saved_chat_kind(ChatTemplate chat, const TokenizerData& data) {
  return {chat, tokenizer_fingerprint(data), static_cast<uint32_t>(data.pieces.size())};
}

std::vector<std::byte> write_saved_chat(const SavedChatKind& kind, const SavedChat& saved) {
  const Conversation& c = saved.conversation;
  ByteWriter w;
  w.put(kMagic);
  w.put(kVersion);
  w.put(static_cast<uint16_t>(kind.chat));
  w.put(static_cast<uint16_t>(c.system.has_value()));
  w.put(kind.tokenizer);
  w.put(static_cast<uint32_t>(c.messages.size()));
  w.put(static_cast<uint32_t>(saved.tokens.size()));
  w.put(static_cast<uint64_t>(saved.state.size()));
  w.put(static_cast<uint64_t>(c.system ? c.system->size() : 0));
  if (c.system) w.text(*c.system);
  for (const ChatMessage& message : c.messages) {
    w.put(static_cast<uint32_t>(message.role));
    w.put(static_cast<uint32_t>(message.ids.size()));
    w.put(static_cast<uint64_t>(message.text.size()));
    for (const int32_t id : message.ids) w.put(id);
    w.text(message.text);
  }
  for (const int32_t token : saved.tokens) w.put(token);
  w.text({reinterpret_cast<const char*>(saved.state.data()), saved.state.size()});
  const uint64_t hash = hash64(w.bytes());
  w.put(hash);
  return {w.bytes().begin(), w.bytes().end()};
}

Result<SavedChat> read_saved_chat(const SavedChatKind& kind, std::span<const std::byte> bytes) {
  if (bytes.size() < kHeaderBytes + kHashBytes) {
    return broken(fmt::format("{} bytes, expected at least {}", bytes.size(), kHeaderBytes + kHashBytes));
  }
  ByteReader in(bytes.first(bytes.size() - kHashBytes));
  if (in.get<Magic>() != kMagic) return broken("it does not start with TERNCHT");
  const Header h = read_header(in);
  if (h.version != kVersion) {
    return unsupported(fmt::format("saved chat: version {}, this build reads version {}", h.version, kVersion));
  }
  TERN_TRY(check_hash(bytes));
  TERN_TRY(check_header(kind, h));
  SavedChat saved;
  const std::string_view system = in.text(h.system_bytes);
  if (in.failed()) return broken("the system message reaches beyond its end");
  if (h.has_system != 0) saved.conversation.system = std::string(system);
  if (h.messages > in.remaining() / kMessageBytes) {
    return broken(fmt::format("{} messages reach beyond its end", h.messages));
  }
  for (uint32_t i = 0; i < h.messages; ++i) {
    TERN_ASSIGN(ChatMessage message, read_message(in, i % 2 == 0 ? ChatRole::user : ChatRole::assistant, kind.pieces));
    saved.conversation.messages.push_back(std::move(message));
  }
  TERN_ASSIGN(saved.tokens, read_tokens(in, h.tokens, kind.pieces));
  if (in.remaining() != h.state_bytes) {
    return broken(fmt::format("{} bytes of sequence state, expected {}", in.remaining(), h.state_bytes));
  }
  saved.state = bytes.subspan(bytes.size() - kHashBytes - h.state_bytes, h.state_bytes);
  return saved;
}

}  // namespace tern
