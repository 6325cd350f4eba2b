// A sparse matrix in compressed rows, added to an output: y[r] = fma(scale, s, y[r]) with s the chain s = fma(v, x, s)
// over the row's values in their order, s from 0.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/half.h"
#include "base/math.h"
#include "formats/encoding/encoding.h"

namespace tern {

// REQUIRES starts that ascend and columns that x has (a LinearPlan has scanned them).
struct SparseView {
  const std::byte* values = nullptr;
  FloatType type = FloatType::f32;
  const uint32_t* columns = nullptr;  // of each value
  const uint32_t* starts = nullptr;   // [rows + 1]: row r has the values starts[r] to starts[r + 1]
};

// V is the ISA's tag alone: the same code is compiled with each ISA's fma.
template <class V>
float sparse_value(const SparseView& w, uint64_t i) {
  float f = 0;
  uint16_t h = 0;
  if (w.type == FloatType::f32) {
    __builtin_memcpy(&f, w.values + 4 * i, 4);
    return f;
  }
  __builtin_memcpy(&h, w.values + 2 * i, 2);
  return w.type == FloatType::f16 ? f16_to_f32(h) : bf16_to_f32(h);
}

// Rows [begin, end) for one token; y: of row 0.
template <class V>
void add_sparse(const SparseView& w, uint64_t begin, uint64_t end, const float* x, float scale, float* y) {
  for (uint64_t r = begin; r < end; ++r) {
    float sum = 0;
    for (uint64_t i = w.starts[r]; i < w.starts[r + 1]; ++i) sum = fma32(sparse_value<V>(w, i), x[w.columns[i]], sum);
    y[r] = fma32(scale, sum, y[r]);
  }
}

}  // namespace tern
