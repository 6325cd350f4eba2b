// The rules that a description must keep, whoever made it: reader and writer apply the same ones.
// Errors name the tensor, linear, input or section, the field, what was expected and what was found.
#pragma once

#include "base/status.h"
#include "formats/tern/description.h"

namespace tern {

// Everything that a file may say, whether or not this version can run it: ranges, names, encodings,
// compositions, tokenizer, metadata. Parts (offsets, sizes, hashes) are not looked at.
// corrupt: a rule is broken. unsupported: a kind or an encoding that this version does not know.
Status validate_description(const ModelDescription& description);

// Its pieces, for tests.
Status validate_config(const ModelConfig& config);
Status validate_tensors(const std::vector<TensorRecord>& tensors);
Status validate_linears(const ModelDescription& description);  // inputs and linears; tensors are valid
Status validate_tokenizer(const TokenizerData& tokenizer);

// That the description is a whole model of its architecture: every tensor, input and linear that the
// configuration asks for is there with its shape (names: end of description.h), and nothing else.
// REQUIRES validate_description.
Status validate_model(const ModelDescription& description);

}  // namespace tern
