// What a config.json says about vector-quantized layers: VPTQ (arXiv 2409.17066, microsoft/VPTQ), AQLM (arXiv
// 2401.06118) and QuIP# (arXiv 2402.04396). Field names and defaults: the publishers' layer classes and transformers'
// configs.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/status.h"

namespace tern {

// One layer of VPTQ. Counts of 0 stand for what the file leaves out or calls -1.
struct HfVptqLayer {
  uint32_t in_features = 0, out_features = 0;
  uint32_t vector_length = 0, centroids = 0, residual_centroids = 0;
  uint32_t outlier_length = 0, outlier_centroids = 0, outliers = 0;  // outliers: columns
  uint32_t groups = 1, group_size = 0;
  bool norm = true, permutation = true, packed = true, bias = false;
};

struct HfVptq {
  std::map<std::string, HfVptqLayer> layers;  // config_for_layers, by module
  std::map<std::string, HfVptqLayer> shared;  // shared_layer_config, by the last part of a module's name
  // Null: the layer is dense.
  const HfVptqLayer* find(const std::string& module) const;
};

struct HfAqlm {
  uint32_t codebooks = 0, bits = 0, in_group = 0, out_group = 0;
  std::map<std::string, bool> dense;  // names of weights that are not quantized
};

enum class QuipCodebook { e8p12, e8p12_rvq3, e8p12_rvq4 };

struct HfQuip {
  QuipCodebook codebook = QuipCodebook::e8p12;
  double residual_scale = 0;  // resid_scale_override, or the codebook's own
};

// `where`: file and field, for messages. REQUIRES objects.
Result<HfVptq> read_vptq(const nlohmann::json& value, const std::string& where);
Result<HfAqlm> read_aqlm(const nlohmann::json& value, const std::string& where);
Result<HfQuip> read_quip(const nlohmann::json& value, const std::string& where);

}  // namespace tern
