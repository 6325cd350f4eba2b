// Orthonormal Hadamard transforms of a row of values (QuIP#, arXiv 2402.04396; QuaRot, arXiv 2404.00456). The row is a
// sequence of runs of order * length values. Canonical order, the same bits everywhere:
//   x = x * signs
//   stages of distance 1, 2, 4, ... length / 2 within each `length` neighbours: (a, b) becomes (a + b, a - b)
//   a run seen as [order, length] becomes matrix * run: chains y = fma(m, x, y) over ascending columns, y from 0
//   x = x * factor
#pragma once

#include <cstdint>

namespace tern {

struct HadamardShape {
  const float* signs = nullptr;    // one a value, or null
  const float* matrix = nullptr;   // [order][order] of +-1, or null with order 1
  uint64_t order = 1, length = 1;  // length: a power of two
  float factor = 1;                // 1 / sqrt(order * length)
};

}  // namespace tern
