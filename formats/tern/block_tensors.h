// What the linear layers of a model's blocks are made of: the measure of bits per weight.
#pragma once

#include <cstdint>
#include <set>

#include "formats/tern/description.h"

namespace tern {

// Positions of the tensors that their terms, their output operations and, norms apart, the operations of their inputs
// refer to, and of the codebooks of these.
std::set<uint32_t> block_tensors(const ModelDescription& d);
// Rows times columns of all these layers.
uint64_t block_weights(const ModelDescription& d);

}  // namespace tern
