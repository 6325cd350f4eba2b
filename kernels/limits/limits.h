// What a core could do at best: the pace of the instruction that a dot-product kernel is made of, on registers alone;
// of f32 activations fma. Benches show kernels beside it.
#pragma once

#include <cstdint>
#include <span>

#include "base/cpu.h"
#include "kernels/linear/linear.h"

namespace tern {

struct Peak {
  const char* isa;          // as in kernel names
  LinearInput input;        // what is multiplied
  const char* instruction;  // "vpmaddubsw + vpaddw, 256 bit"
  CpuFeatures needs;
  uint64_t (*run)(uint64_t rounds);  // multiply-accumulates that were made
};

std::span<const Peak> peaks();  // best first for each input; empty where none is known

// The first of this input that the features allow; null if there is none.
const Peak* select_peak(LinearInput input, CpuFeatures features);

}  // namespace tern
