// How the linear layers of a checkpoint are stored, and BitNet's ways of storing them.
#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "formats/foreign/hf_config.h"
#include "formats/import/source_model.h"

namespace tern {

enum class LinearStorage {
  dense,            // floats as they are
  masters,          // BitNet without quantization_config: ternary already, or absmean
  online_masters,   // quantization_mode "online": absmean at every load, whatever the values
  packed_multiply,  // uint8 codes, autobitlinear: w = trit * weight_scale
  packed_divide,    // uint8 codes, bitlinear: w = trit / weight_scale
};

// Refuses contradictions between the fields, naming them. `input_norms`: the checkpoint has a norm for each linear
// layer, as BitNet's embedding models do, whose weights are masters for absmean.
Result<LinearStorage> linear_storage(const HfConfig& config, bool input_norms);
const char* describe(LinearStorage storage);

// The multiplier that a stored weight_scale stands for. Refuses zero, negative and non-finite scales.
Result<float> packed_scale(LinearStorage storage, float stored, const std::string& where);

// A dense master as the ternary matrix that BitNet's forward pass makes of it. Reads the matrix once or twice.
// Refuses a matrix of zeros.
Result<std::unique_ptr<SourceMatrix>> ternary_master(std::unique_ptr<SourceMatrix> dense, LinearStorage storage,
                                                     const std::string& where);

}  // namespace tern
