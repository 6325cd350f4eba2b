// One line per kernel in the per-ISA files: TERN_DEFINE_LINEAR(name of kernels.inc, body instantiated for an ISA).
#pragma once

#include "kernels/linear/blocking.h"
#include "kernels/linear/kernels.h"

#define TERN_DEFINE_LINEAR(name, ...)                                                                               \
  void name(const WeightView& w, const InputView& in, const OutputView& out, TileRange range, std::byte* scratch) { \
    __VA_ARGS__({w, in, out, scratch}, range);                                                                      \
  }
