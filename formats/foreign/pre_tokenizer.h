// What tokenizer.json (Hugging Face tokenizers) does to a text before and after byte-level BPE: normalizer,
// pre_tokenizer, post_processor, decoder. Each kind that is not understood is refused by name.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/status.h"
#include "formats/tern/description.h"

namespace tern {

// Fields of an object that are not among these are refused by name.
Status check_fields(const nlohmann::json& object, std::initializer_list<std::string_view> known,
                    const std::string& where);
// The "type" of a component.
Result<std::string> type_of_component(const nlohmann::json& component, const std::string& where);
// A field of type bool; an absent one has the library's default.
Result<bool> flag_of_component(const nlohmann::json& component, const char* field, bool otherwise,
                               const std::string& where);

// null or NFC, also in a Sequence.
Status read_byte_normalizer(const nlohmann::json& normalizer, const std::string& where, TokenizerData* data);
// ByteLevel, before it Split, Digits, Punctuation, also after it (these then see the byte alphabet).
Status read_pre_tokenizer(const nlohmann::json& pre_tokenizer, const std::string& where, TokenizerData* data);
// null, ByteLevel, TemplateProcessing of one text with at most one special token before and one after it: BOS, EOS.
// Without a template there are none.
Status read_post_processor(const nlohmann::json& post_processor, const std::string& where, TokenizerData* data);

}  // namespace tern
