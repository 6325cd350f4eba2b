// Where quantizing vectors spends its time: errors of vectors by the entries of a codebook, and errors that are passed
// on. The converter's rooms know no ISA: whoever knows this CPU's kernels hands them in
// (runtime/eval/quantize_kernels.h). They give the bits of the plain ones here, so that codebooks and indices are the
// same on every machine.
//
// The error of vector x by entry c is the sum of weights[i] * ((x[i] - c[i]) * (x[i] - c[i])) over ascending i, from 0,
// every operation rounded. Codebooks are [value][entry]; lengths up to 32; all values are finite.
#pragma once

#include <cstdint>

namespace tern {

struct QuantizeKernels {
  // The entry of the least error, the first of equals; error: that, unless null. Where none is finite: entry 0 and
  // infinity.
  unsigned (*nearest)(const float* x, const float* weights, unsigned length, const float* centers, unsigned entries,
                      float* error);
  // Of every entry.
  void (*errors)(const float* x, const float* weights, unsigned length, const float* centers, unsigned entries,
                 float* errors);
  // Of many vectors by one entry: errors[v] falls to that of vector v, if it is less. Value i of vector v stands in x
  // and weights at i * stride + v.
  void (*lower)(const float* x, const float* weights, unsigned length, uint64_t stride, uint64_t vectors,
                const float* entry, float* errors);
  // y[k] += factors[j] * rows[j * stride + k] for k below n, over ascending j < count, every operation rounded.
  void (*add_rows)(const float* rows, uint64_t stride, uint64_t count, const float* factors, uint64_t n, float* y);
};

extern const QuantizeKernels kPlainKernels;

}  // namespace tern
