// How a text or a list of ids becomes tokens of a model.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "runtime/model/model.h"
#include "runtime/text/tokenizer.h"

namespace tern::app {

// "1 385, 328": token ids between spaces, commas or newlines.
Result<std::vector<int32_t>> parse_ids(const std::string& text);

// The tokenizer stored in the model's file. If there is none, an error that says what to do; ids_flag: how the verb
// takes token ids instead, "" if it does not.
Result<std::unique_ptr<Tokenizer>> make_tokenizer(const Model& model, const char* ids_flag = "");

// A text to read, without the token that begins it.
struct TextSource {
  std::string path;
  uint64_t limit = 0;   // tokens; 0: all
  bool tokens = false;  // the file holds token ids
};

// text: what the file holds, read before the model is loaded: a wrong name is told at once.
Result<std::vector<int32_t>> tokens_of(const std::string& text, const TextSource& source, const Model& model,
                                       const char* ids_flag);

}  // namespace tern::app
