// What a core could do at best: the pace of the instruction that a dot-product kernel is made of, on registers alone.
// Benches show kernels beside it.
#pragma once

#include <cstdint>
#include <span>

#include "base/cpu.h"

namespace tern {

struct Int8Peak {
  const char* isa;          // as in kernel names
  const char* instruction;  // "vpmaddubsw + vpaddw, 256 bit"
  CpuFeatures needs;
  uint64_t (*run)(uint64_t rounds);  // multiply-accumulates of int8 that were made
};

std::span<const Int8Peak> int8_peaks();  // best first; empty where none is known

// The first that the features allow; null if there is none.
const Int8Peak* select_int8_peak(CpuFeatures features);

}  // namespace tern
