// Columns of a matrix with most energy that get vectors and a codebook of their own (VPTQ, arXiv 2409.17066).
#pragma once

#include <cstdint>

namespace tern {

struct OutlierOptions {
  unsigned percent = 0;           // of the columns, at least
  unsigned length = 4, bits = 8;  // of their vectors: values, and bits of an index

  bool operator==(const OutlierOptions&) const = default;
};

inline constexpr unsigned kMaxOutlierPercent = 50;

}  // namespace tern
