// Fairy2i's published convention (PKULab1806/Fairy2i-W2, model_module/): an ordinary checkpoint of dense masters that
// the forward pass quantizes, complex_phase_v1..v4 for 1..4 stages. Nothing in the files says so or how many: the user
// does. A model saved after that pass holds the quantized matrices in the masters' place.
#pragma once

#include <cstdint>
#include <memory>

#include "base/status.h"
#include "formats/import/source_model.h"

namespace tern {

struct Fairy2iCounts {
  uint32_t masters = 0, quantized = 0, dense = 0;  // matrices of each kind; dense: with an odd side
};

// A linear layer as the codes and scales that the model was trained with: options.fairy2i_stages of them, and the
// regions of options.fairy2i_scales, each with its own scales. Masters: in bf16 arithmetic where they are bf16, else in
// f32. Matrices saved quantized: the codes that they were made of, or, where a lesser part of the numbers is not of
// such codes or they are of other regions, a refusal. A matrix with an odd side stays as it is, as there. With scales
// of the tensor the matrix is read stages + 3 times.
Result<std::unique_ptr<SourceMatrix>> fairy2i_matrix(std::unique_ptr<SourceMatrix> dense, const ImportOptions& options,
                                                     Fairy2iCounts& counts);

}  // namespace tern
