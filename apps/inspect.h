// A .tern file's description as JSON: configuration, tensors, inputs, linear layers, tokenizer, metadata.
#pragma once

#include <string>

#include "formats/tern/reader.h"

namespace tern::app {

std::string inspect_json(const TernFile& file);

}  // namespace tern::app
