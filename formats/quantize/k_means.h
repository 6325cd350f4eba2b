// Weighted k-means over vectors (Lloyd 1982; starts by k-means++, Arthur and Vassilvitskii 2007). The squared error of
// a value counts as often as its weight says. Deterministic for a seed; threads (OpenMP) change nothing.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/progress.h"
#include "base/status.h"
#include "formats/quantize/quantize_kernels.h"

namespace tern {

struct KMeansOptions {
  unsigned length = 4, entries = 256;
  uint64_t seed = 1;
  const QuantizeKernels* kernels = &kPlainKernels;
};

// x, weights: [n][length], finite, weights >= 0. Returns the centers as [value][entry]; of no vectors zeros. At most 25
// turns, until one improves the error by less than 1e-4 of it.
Result<std::vector<float>> k_means(const KMeansOptions& options, std::span<const float> x,
                                   std::span<const float> weights, const Interruption& interruption = {});

inline constexpr unsigned kFlatEntries = 1024, kRefinedEntries = 4096;

// The same in two levels where there are more than kFlatEntries: 256 cells by k-means, then each cell's vectors by
// k-means with its part of the entries, in proportion to its error; up to kRefinedEntries four turns over all follow.
// Fewer vectors than entries are left to k_means.
Result<std::vector<float>> split_k_means(const KMeansOptions& options, std::span<const float> x,
                                         std::span<const float> weights, const Interruption& interruption = {});

}  // namespace tern
