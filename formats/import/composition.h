// What importers of compositions build with: matrices that are not weights themselves, and the record of a layer.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "formats/import/source_model.h"

namespace tern {

// A matrix that a linear layer of a block reads.
bool is_block_linear(const SourceMatrix& m);

Encoding plain_encoding(FloatType type);
Encoding dense_encoding(FloatType type);

// Codebooks of `groups` x `entries` rows, filled up to 2^bits rows each with zeros: every index finds an entry.
class CodebookMatrix final : public SourceMatrix {
 public:
  // `stored`: [groups * entries, length], of any name.
  CodebookMatrix(std::unique_ptr<SourceMatrix> stored, uint64_t entries, unsigned bits, std::string name);
  Status read_rows(uint64_t begin, uint64_t count, std::span<float> out) const override;

 private:
  std::unique_ptr<SourceMatrix> stored_;
  uint64_t entries_;
  unsigned bits_;
};

// Values in memory: rows x cols floats of an encoding that holds them.
class ValueMatrix final : public SourceMatrix {
 public:
  ValueMatrix(std::string name, std::vector<float> values, uint64_t cols, const Encoding& encoding);
  Status read_rows(uint64_t begin, uint64_t count, std::span<float> out) const override;

 private:
  std::vector<float> values_;
};

// A permutation of columns.
class PermutationVector final : public SourceMatrix {
 public:
  PermutationVector(std::string name, std::string source_name, std::vector<uint32_t> order);
  Status read_indices(uint64_t begin, uint64_t count, std::span<uint32_t> out) const override;
  Status read_rows(uint64_t begin, uint64_t count, std::span<float> out) const override;

 private:
  std::vector<uint32_t> order_;
};

// Puts a composition together; the layer is added to the model with finish().
class CompositionBuilder {
 public:
  CompositionBuilder(SourceModel& model, std::string name, uint64_t rows, uint64_t cols);

  uint32_t add(std::unique_ptr<SourceMatrix> matrix);  // its position
  // A vector of floats as it is stored; the encoding follows from its form.
  uint32_t add_vector(std::unique_ptr<SourceMatrix> vector);
  void scale_input(uint32_t factors);
  void permute_input(uint32_t order);
  void hadamard_input(uint32_t matrix);
  // Over all rows, and columns [col_begin, col_begin + cols) of what the operations make of the input.
  void add_term(uint32_t tensor, uint64_t col_begin, uint64_t cols, float scale = 1);
  // y += (shift . x) for every row: a low-rank term of rank 1 over the raw input. shift: a vector.
  void add_shift(std::unique_ptr<SourceMatrix> shift);
  void hadamard_output(uint32_t matrix);
  void scale_output(uint32_t factors);
  void finish();

 private:
  SourceModel& model_;
  SourceLinear layer_;
};

}  // namespace tern
