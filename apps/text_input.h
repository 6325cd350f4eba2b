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

// The tokenizer stored in the model's file; an error that says what to do if there is none.
Result<std::unique_ptr<Tokenizer>> make_tokenizer(const Model& model);

}  // namespace tern::app
