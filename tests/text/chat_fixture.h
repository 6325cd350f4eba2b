// A byte-level vocabulary with the special tokens of all chat templates but those that some write as texts.
#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "runtime/text/tokenizer.h"
#include "tests/text/byte_vocabulary_fixture.h"

namespace tern::test {

// 256 bytes, one merge, then the tokens as pieces of this type; <s> and </s> are control pieces in any case.
inline TokenizerData chat_vocabulary(PieceType type) {
  TokenizerData data = byte_level_vocabulary();
  add_merge(data, "Y", "o");
  const auto special = [&](const char* name, PieceType as) {
    data.pieces.push_back({name, 0, as});
    return static_cast<int32_t>(data.pieces.size()) - 1;
  };
  data.bos = special("<s>", PieceType::control);
  data.eos = special("</s>", PieceType::control);
  data.stop_ids = {data.eos};
  for (const char* name :
       {"<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "[INST]", "[/INST]"}) {
    special(name, type);
  }
  data.add_bos = true;
  return data;
}

struct ChatVocabulary {
  explicit ChatVocabulary(PieceType type = PieceType::control)
      : tokenizer(Tokenizer::create(chat_vocabulary(type)).value()) {}

  int32_t id(const std::string& name) const { return piece_id(tokenizer->data(), name); }

  // Tokens as {name}, all else as the bytes it stands for.
  std::string show(const std::vector<int32_t>& ids) const {
    std::string out;
    for (const int32_t id : ids) {
      const Piece& piece = tokenizer->data().pieces.at(static_cast<size_t>(id));
      out += piece.type == PieceType::normal ? piece.text : "{" + piece.text + "}";
    }
    return out;
  }

  // Whether a template of that name writes this token: others are but texts to it, which a user may write too.
  bool is_template_token(const std::string& chat, int32_t id) const {
    const std::string& text = tokenizer->data().pieces.at(static_cast<size_t>(id)).text;
    const auto begins = [&](const char* name) { return chat.rfind(name, 0) == 0; };
    if (text == "<s>" || text == "</s>") return true;
    if (text.rfind("<|im_", 0) == 0) return begins("chatml") || begins("qwen");
    if (text == "[INST]" || text == "[/INST]") return begins("mistral");
    if (text == "<|eot_id|>") return begins("llama3") || begins("bitnet");
    return text.rfind("<|", 0) == 0 && begins("llama3");
  }

  std::unique_ptr<Tokenizer> tokenizer;
};

}  // namespace tern::test
