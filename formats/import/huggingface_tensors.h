// The tensors of a Hugging Face checkpoint as its importer asks for them: by name and shape, each checked, and in the
// end none left over.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "formats/foreign/safetensors.h"
#include "formats/import/byte_view.h"
#include "formats/import/source_model.h"

namespace tern {

class HuggingFaceTensors {
 public:
  using Entry = TensorSet::Entry;

  // `config_name`: of the file that describes the tensors, for messages.
  HuggingFaceTensors(std::shared_ptr<const TensorSet> tensors, std::string config_name)
      : tensors_(std::move(tensors)), config_name_(std::move(config_name)) {}

  const Entry* find(const std::string& name) const { return tensors_->find(name); }
  // Refuses a tensor that is missing or has another shape, and counts it as used.
  Result<const Entry*> require(const std::string& name, const std::vector<uint64_t>& shape);
  // A matrix of floats under its canonical name; rows = 1: a vector.
  Result<std::unique_ptr<SourceMatrix>> dense(const std::string& name, const std::string& source, uint64_t rows,
                                              uint64_t cols);
  // The same of a tensor of another shape.
  Result<std::unique_ptr<SourceMatrix>> floats(const std::string& name, const std::string& source,
                                               const std::vector<uint64_t>& shape, uint64_t rows, uint64_t cols);
  // One float, of shape [] or [1].
  Result<float> scalar(const std::string& name);
  ByteView view(const Entry& entry) const { return {tensors_, entry.file, entry.tensor.offset, entry.tensor.bytes}; }

  // Some exporters store a tied matrix twice. Counts `copy` as used; refuses it if it differs from `original`.
  Status expect_copy(const std::string& copy, const std::string& original);
  // Refuses a tensor that nothing used.
  Status check_all_used(const std::string& architecture) const;

 private:
  std::shared_ptr<const TensorSet> tensors_;
  std::string config_name_;
  std::set<std::string> used_;
};

}  // namespace tern
