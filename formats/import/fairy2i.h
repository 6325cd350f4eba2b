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

// A linear layer as the codes and scales that the model was trained with. Masters: in bf16 arithmetic where they are
// bf16, else in f32. Matrices saved quantized: the codes that they were made of, or, where a lesser part of the numbers
// is not of such codes, a refusal. A matrix with an odd side stays as it is, as there. Reads the matrix stages + 2
// times.
Result<std::unique_ptr<SourceMatrix>> fairy2i_matrix(std::unique_ptr<SourceMatrix> dense, unsigned stages,
                                                     Fairy2iCounts& counts);

}  // namespace tern
