// Facts about a model description in words and numbers, for the verbs that show them.
#pragma once

#include <string>

#include "formats/tern/description.h"

namespace tern::app {

const char* name_of(Activation activation);
const char* name_of(RopePairing pairing);
const char* name_of(RopeScaling scaling);
const char* name_of(ScaleScope scope);
const char* name_of(Tap tap);
const char* name_of(InputOpKind kind);
const char* name_of(TermKind kind);
std::string describe(const InputOp& op);                            // "quantize int8 per row"
std::string describe(const ModelDescription& d, const Term& term);  // "blocks.0.attn.q (quantized)"

uint64_t weight_count(const TensorRecord& tensor);
uint64_t weight_count(const ModelDescription& d);
double bits_of(const TensorRecord& tensor);    // true bits per weight, scales and padding included
double block_bits(const ModelDescription& d);  // of the blocks' linear layers, all that they are made of included
double all_bits(const ModelDescription& d);

}  // namespace tern::app
