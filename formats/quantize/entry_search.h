// The nearest of many entries, by cells of neighbouring entries (an inverted file: Jegou, Douze and Schmid 2011): the
// cells whose centers are nearest are searched, as many as hold about 4096 entries. Of no more entries than that it
// searches all. Deterministic.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "formats/quantize/quantize_kernels.h"

namespace tern {

inline constexpr unsigned kSearchedEntries = 4096;  // about, for each vector

class EntrySearch {
 public:
  // centers: [value][entry], finite; length up to 32. The kernels must live longer.
  EntrySearch(std::span<const float> centers, unsigned length, unsigned entries,
              const QuantizeKernels& kernels = kPlainKernels);

  // Of the entries searched the one nearest to x by the weighted squared error.
  unsigned nearest(const float* x, const float* weights) const;

 private:
  struct Cell {
    unsigned first, count;  // in order_
  };
  unsigned search(const Cell& cell, const float* x, const float* weights, float* error) const;

  unsigned length_;
  const QuantizeKernels& kernels_;
  std::vector<float> heads_;  // [value][cell]; of one cell none
  std::vector<Cell> cells_;
  std::vector<unsigned> order_;  // the entries of one cell after the other
  std::vector<float> values_;    // theirs: of a cell [value][its entries]
};

}  // namespace tern
