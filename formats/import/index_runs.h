// Indices of vectors as checkpoints store them: for each group of columns and each lane a run of elements, packed in a
// stream of bits, lowest first, or each in a type of its own; an element may hold the indices of several codebooks.
#pragma once

#include "formats/import/byte_view.h"
#include "formats/import/source_model.h"

namespace tern {

struct IndexRuns {
  ByteView bytes;                           // [groups][lanes][run_bytes]
  std::string path;                         // of the file, for messages
  uint64_t groups = 1, lanes = 0, run = 0;  // run: elements of a group and lane
  uint64_t run_bytes = 0;
  unsigned element_bits = 0, first_bit = 0, bits = 0;  // the index is `bits` bits of each element from first_bit on
  uint64_t entries = 0;                                // of the codebook
};

// One codebook's indices, a matrix of vectors along the output axis; positions in the order of `columns`, or as stored.
class IndexRunMatrix final : public SourceMatrix {
 public:
  // columns[position]: where the position stands in the checkpoint; or empty.
  IndexRunMatrix(IndexRuns runs, std::vector<uint32_t> columns);

  // Refuses an index beyond the codebook, and bits behind the last element that are not zero.
  Status read_indices(uint64_t begin, uint64_t count, std::span<uint32_t> out) const override;
  Status read_rows(uint64_t begin, uint64_t count, std::span<float> out) const override;

 private:
  Status read_run(uint64_t group, uint64_t lane, uint32_t* out) const;
  IndexRuns runs_;
  std::vector<uint32_t> columns_;
};

}  // namespace tern
