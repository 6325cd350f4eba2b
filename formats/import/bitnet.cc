#include "formats/import/bitnet.h"

#include <fmt/format.h>

#include <cmath>

#include "formats/import/ternary_matrix.h"

namespace tern {

Result<LinearStorage> linear_storage(const HfConfig& config, bool input_norms) {
  if (!config.quantization) {
    if (input_norms) return LinearStorage::online_masters;
    return config.sub_norms ? LinearStorage::masters : LinearStorage::dense;
  }
  const bool automatic = config.quantization->linear_class == "autobitlinear";
  if (config.quantization->mode == "online") {
    if (automatic) return LinearStorage::online_masters;
    return corrupt(config.name +
                   ": quantization_mode 'online' contradicts linear_class 'bitlinear', which holds packed weights");
  }
  return automatic ? LinearStorage::packed_multiply : LinearStorage::packed_divide;
}

const char* describe(LinearStorage storage) {
  switch (storage) {
    case LinearStorage::dense:
      return "dense";
    case LinearStorage::masters:
      return "dense masters";
    case LinearStorage::online_masters:
      return "dense masters, absmean";
    case LinearStorage::packed_multiply:
      return "packed, scale multiplies";
    case LinearStorage::packed_divide:
      return "packed, inverse scale";
  }
  return "";
}

Result<float> packed_scale(LinearStorage storage, float stored, const std::string& where) {
  const float scale = storage == LinearStorage::packed_divide ? 1.f / stored : stored;
  if (!(stored > 0) || !(scale > 0) || !std::isfinite(stored) || !std::isfinite(scale)) {
    return corrupt(fmt::format("{} is {}, expected a positive finite scale", where, stored));
  }
  return scale;
}

Result<std::unique_ptr<SourceMatrix>> ternary_master(std::unique_ptr<SourceMatrix> dense, LinearStorage storage,
                                                     const std::string& where) {
  using Rule = TernaryMatrix::Rule;
  TERN_ASSIGN(TernaryScan scan, scan_ternary(*dense, true));
  if (scan.all_zero) {
    return corrupt(where + " is all zero: the upload is damaged; try an older revision of the checkpoint");
  }
  if (scan.ternary && storage == LinearStorage::masters) {
    return std::unique_ptr<SourceMatrix>(
        std::make_unique<TernaryMatrix>(std::move(dense), Rule::sign, scan.scope, std::move(scan.scales)));
  }
  return std::unique_ptr<SourceMatrix>(
      std::make_unique<TernaryMatrix>(std::move(dense), Rule::absmean, ScaleScope::tensor, std::vector{scan.gamma}));
}

}  // namespace tern
