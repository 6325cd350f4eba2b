// The whole Hessian of each linear layer's squared output error while a model reads a text: the sum of x x^T over what
// the layer reads. Layers that share an input share a matrix. Lower triangles, row after row: (i, j), j <= i, is value
// i (i + 1) / 2 + j. Products and sums are made in double in the order of the text: the same bits with any number of
// threads, and on the diagonal those of input_statistics.h.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/scratch_file.h"
#include "runtime/eval/text_observer.h"

namespace tern {

class InputHessians {
 public:
  // Half of 8 n^2 for every input of n columns, in a temporary file beside `path` (base/scratch_file.h): memory only as
  // long as the system finds room.
  static uint64_t bytes(const Model& model);
  // Memory beside bytes(): a session. progress: in tokens of the text.
  static Result<InputHessians> collect(std::shared_ptr<const Model> model, std::span<const int32_t> text,
                                       const std::string& path, const StatisticsOptions& options,
                                       const ProgressCallback& progress = {});

  uint64_t tokens() const { return tokens_; }  // read, BOS included
  // The diagonals over the tokens: what input_statistics.h gives, bit for bit.
  std::map<std::string, std::vector<double>> mean_squares() const;
  // By linear layer; valid while this object lives.
  const std::map<std::string, std::span<const double>>& triangles() const { return triangles_; }

 private:
  explicit InputHessians(ScratchFile memory) : memory_(std::move(memory)) {}

  ScratchFile memory_;
  std::map<std::string, std::span<const double>> triangles_;
  uint64_t tokens_ = 0;
};

}  // namespace tern
