#include "formats/quantize/entry_search.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>

#include "formats/quantize/k_means.h"

namespace tern {
namespace {

constexpr unsigned kCells = 256;

// centers as vectors, [entry][value].
std::vector<float> turned(std::span<const float> centers, unsigned length, unsigned entries) {
  std::vector<float> vectors(centers.size());
  for (size_t i = 0; i < centers.size(); ++i) vectors[i % entries * length + i / entries] = centers[i];
  return vectors;
}

}  // namespace

EntrySearch::EntrySearch(std::span<const float> centers, unsigned length, unsigned entries,
                         const QuantizeKernels& kernels)
    : length_(length), kernels_(kernels), order_(entries), values_(centers.size()) {
  std::vector<unsigned> cell_of(entries);
  unsigned cells = 1;
  if (entries > kSearchedEntries) {
    const std::vector<float> vectors = turned(centers, length, entries), ones(vectors.size(), 1.f);
    cells = kCells;
    heads_ = k_means({length, cells, 1, &kernels}, vectors, ones).value();
    for (unsigned k = 0; k < entries; ++k)
      cell_of[k] = kernels.nearest(&vectors[k * length], ones.data(), length, heads_.data(), cells, nullptr);
  }
  std::iota(order_.begin(), order_.end(), 0u);
  std::stable_sort(order_.begin(), order_.end(), [&](unsigned a, unsigned b) { return cell_of[a] < cell_of[b]; });
  for (unsigned c = 0, first = 0; c < cells; ++c) {
    Cell cell{first, 0};
    while (first < entries && cell_of[order_[first]] == c) ++first, ++cell.count;
    for (unsigned k = 0; k < cell.count; ++k)
      for (unsigned i = 0; i < length; ++i)
        values_[cell.first * length + i * cell.count + k] = centers[i * entries + order_[cell.first + k]];
    cells_.push_back(cell);
  }
}

unsigned EntrySearch::search(const Cell& cell, const float* x, const float* weights, float* error) const {
  return order_[cell.first + kernels_.nearest(x, weights, length_, &values_[cell.first * length_], cell.count, error)];
}

unsigned EntrySearch::nearest(const float* x, const float* weights) const {
  if (heads_.empty()) return search(cells_[0], x, weights, nullptr);
  float to_head[kCells];
  kernels_.errors(x, weights, length_, heads_.data(), kCells, to_head);
  std::pair<float, unsigned> ranked[kCells];  // a heap, the nearest first: few of them are asked for
  for (unsigned c = 0; c < kCells; ++c) ranked[c] = {to_head[c], c};
  std::make_heap(ranked, ranked + kCells, std::greater<>());
  unsigned at = 0, searched = 0;
  float least = INFINITY;
  for (unsigned left = kCells; left != 0 && searched < kSearchedEntries; --left) {
    std::pop_heap(ranked, ranked + left, std::greater<>());
    const Cell& cell = cells_[ranked[left - 1].second];
    if (cell.count == 0) continue;
    float error = 0;
    const unsigned entry = search(cell, x, weights, &error);
    if (error < least) least = error, at = entry;
    searched += cell.count;
  }
  return at;
}

}  // namespace tern
