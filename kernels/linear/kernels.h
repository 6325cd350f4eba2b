// Declarations of the kernels of kernels.inc.
#pragma once

#include "kernels/linear/linear.h"

namespace tern {

#define TERN_LINEAR(name, ...) void name(const WeightView&, const InputView&, const OutputView&, TileRange, std::byte*);
#include "kernels/linear/kernels.inc"
#undef TERN_LINEAR

}  // namespace tern
