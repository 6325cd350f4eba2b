// Complex matrices and vectors that a checkpoint stores as a real and an imaginary tensor of one shape, as real
// matrices over vectors that hold all real parts, then all imaginary ones.
#pragma once

#include <memory>

#include "formats/import/source_model.h"

namespace tern {

// [re | im]: rows of an embedding, or a vector; times `factor`, rounded to f32.
class SideBySideMatrix final : public SourceMatrix {
 public:
  // REQUIRES two dense matrices of one shape. Takes the name of the first.
  SideBySideMatrix(std::unique_ptr<SourceMatrix> re, std::unique_ptr<SourceMatrix> im, float factor = 1);
  Status read_rows(uint64_t begin, uint64_t count, std::span<float> out) const override;

 private:
  std::unique_ptr<SourceMatrix> re_, im_;
  float factor_;
};

// y = w conj(x) as the real matrix [re im; im -re].
class ConjugateMatrix final : public SourceMatrix {
 public:
  // REQUIRES two dense matrices of one shape. Takes the name of the first.
  ConjugateMatrix(std::unique_ptr<SourceMatrix> re, std::unique_ptr<SourceMatrix> im);
  Status read_rows(uint64_t begin, uint64_t count, std::span<float> out) const override;

 private:
  std::unique_ptr<SourceMatrix> re_, im_;
};

}  // namespace tern
