// A conversation and the sequence that holds it, as bytes. Little-endian:
//
//   offset  bytes
//    0       8    magic "TERNCHT\0"
//    8       4    version: 1
//   12       2    chat template (docs/format.md, CHAT)
//   14       2    1 if there is a system message, else 0
//   16       8    XXH3-64 of the tokenizer, as section TOKN holds it
//   24       4    messages
//   28       4    tokens in the sequence
//   32       8    bytes of the sequence state (runtime/session/sequence_state.h)
//   40       8    bytes of the system message, 0 if there is none
//   48            the system message
//                 messages, user and assistant in turn: u32 role (1 user, 2 assistant), u32 tokens (user: 0),
//                 u64 bytes, i32[tokens], the text
//                 i32[tokens in the sequence]
//                 the sequence state
//   end - 8  8    XXH3-64 of all before
//
// Reading believes nothing: sizes are checked before anything is set aside, roles must alternate and end with an
// answer, tokens must be pieces of the tokenizer, the hash must match.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "formats/tern/description.h"
#include "runtime/text/chat/conversation.h"

namespace tern {

struct SavedChat {
  Conversation conversation;
  std::vector<int32_t> tokens;       // that the sequence holds
  std::span<const std::byte> state;  // of the sequence: still to be checked by Session::restore
};

// What a saved chat must have in common with the program that reads it.
struct SavedChatKind {
  ChatTemplate chat;
  uint64_t tokenizer = 0;  // tokenizer_fingerprint
  uint32_t pieces = 0;
};

uint64_t tokenizer_fingerprint(const TokenizerData& data);
SavedChatKind saved_chat_kind(ChatTemplate chat, const TokenizerData& data);

std::vector<std::byte> write_saved_chat(const SavedChatKind& kind, const SavedChat& saved);

// `state` of the result lies in `bytes`. Fails with corrupt (broken bytes), unsupported (another version) or
// invalid_argument (another tokenizer or template).
Result<SavedChat> read_saved_chat(const SavedChatKind& kind, std::span<const std::byte> bytes);

}  // namespace tern
