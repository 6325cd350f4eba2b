#include "formats/quantize/entry_search.h"

#include <algorithm>
#include <cmath>
#include <numeric>

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

EntrySearch::EntrySearch(std::span<const float> centers, unsigned length, unsigned entries)
    : length_(length), order_(entries), values_(centers.size()) {
  std::vector<unsigned> cell_of(entries);
  unsigned cells = 1;
  if (entries > kSearchedEntries) {
    const std::vector<float> vectors = turned(centers, length, entries), ones(vectors.size(), 1.f);
    cells = kCells;
    heads_ = k_means({length, cells, 1}, vectors, ones).value();
    float distances[kCells];
    for (unsigned k = 0; k < entries; ++k)
      cell_of[k] = nearest_entry(&vectors[k * length], ones.data(), length, heads_.data(), cells, distances);
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

unsigned EntrySearch::search(const Cell& cell, const float* x, const float* weights, float* distances,
                             float* best) const {
  return order_[cell.first +
                nearest_entry(x, weights, length_, &values_[cell.first * length_], cell.count, distances, best)];
}

unsigned EntrySearch::nearest(const float* x, const float* weights, float* distances) const {
  if (heads_.empty()) return search(cells_[0], x, weights, distances, nullptr);
  float to_head[kCells];
  nearest_entry(x, weights, length_, heads_.data(), kCells, to_head);
  unsigned ranked[kCells], at = 0, searched = 0;
  std::iota(ranked, ranked + kCells, 0u);
  std::stable_sort(ranked, ranked + kCells, [&](unsigned a, unsigned b) { return to_head[a] < to_head[b]; });
  float least = INFINITY;
  for (unsigned rank = 0; rank < kCells && searched < kSearchedEntries; ++rank) {
    const Cell& cell = cells_[ranked[rank]];
    if (cell.count == 0) continue;
    float best = 0;
    const unsigned entry = search(cell, x, weights, distances, &best);
    if (best < least) least = best, at = entry;
    searched += cell.count;
  }
  return at;
}

}  // namespace tern
