// One operation on a row of values in place: an input operation between the raw and the transformed tap of an input
// record, or an output operation of a layer (docs/format.md, "Linear layers"). Vectors are f32, whatever the file has.
#pragma once

#include <vector>

#include "kernels/dispatch/dispatch.h"

namespace tern {

struct RowStep {
  enum class Kind : uint8_t { scale, permute, hadamard, rotate, normalize } kind = Kind::scale;
  std::vector<float> values;                  // scale: factors; hadamard: signs, or none; normalize: the norm's weight
  const uint32_t* permutation = nullptr;      // permute: x'[k] = x[permutation[k]], a view into the file
  std::vector<float> matrix;                  // hadamard: [order][order] of +-1, or none
  uint64_t order = 1, length = 1;             // hadamard: runs of order * length values
  const LinearKernelEntry* kernel = nullptr;  // rotate: of f32 inputs
  WeightView weight;                          // rotate: [n, block], a block x block matrix for each run of block values
  float epsilon = 0;                          // normalize
};

// Floats of scratch memory that a step on `rows` rows of n values needs.
uint64_t step_scratch(const RowStep& step, uint64_t n, uint64_t rows);

// Applies the step to `rows` rows of n values, `stride` floats apart. Several at once pay where a kernel runs (rotate).
// kernel_scratch: kLinearScratchBytes, 64-byte aligned.
void apply_step(const RowStep& step, const ElementKernels& kernels, uint64_t n, float* x, uint64_t stride,
                uint64_t rows, float* scratch, std::byte* kernel_scratch);

}  // namespace tern
