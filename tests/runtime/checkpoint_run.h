// Checkpoints imported, converted, loaded and run in tests, and their logits compared with a reference.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "formats/import/convert.h"
#include "runtime/model/model.h"

namespace tern::test {

void must(const Status& status);  // REQUIREs ok
nlohmann::json read_json(const std::string& path);

// A directory of its own, removed at the end.
struct Scratch {
  std::filesystem::path path;
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  // Copies shared files under the names that a checkpoint directory has.
  std::string checkpoint(const std::vector<std::pair<std::string, std::string>>& files) const;
};

// Imports and converts; every matrix but head and embedding as the checkpoint has it, these two as `ends`. CHECKs that
// nothing is lost, but the bf16 rounding that Fairy2i's publisher makes of its sums.
std::shared_ptr<const Model> convert_and_load(const Scratch& scratch, const std::string& source, WeightChoice ends,
                                              ActivationRounding activations, const ImportOptions& import = {},
                                              WeightChoice weights = WeightChoice::automatic);
// The same, with f32 activations.
std::shared_ptr<const Model> load_f32(const Scratch& scratch, const std::string& source,
                                      WeightChoice ends = WeightChoice::automatic);

// Logits of every position, with an f32 cache.
std::vector<std::vector<float>> run(const std::shared_ptr<const Model>& model, const std::vector<int32_t>& tokens);

// Largest difference relative to the largest logit of the position.
double relative_error(const std::vector<float>& logits, const std::vector<double>& expected);

// CHECKs all logits of a shared file with "sequences" and "logits" to 1e-4.
void check_fixture(const std::shared_ptr<const Model>& model, const std::string& logits_json);

}  // namespace tern::test
