// A loaded model: the mapped file, weight views and one LinearPlan per layer, resolved once.
// Immutable after load; any number of sessions on any threads may share it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/status.h"
#include "formats/tern/reader.h"
#include "kernels/dispatch/dispatch.h"

namespace tern {

// f32: ignore the file's int8 rounding, to check against float references.
enum class ActivationRounding { from_file, f32 };

struct LoadOptions {
  std::string isa = "native";          // caps the kernels (base/cpu.h); TERN_ISA is the CLI's business
  std::optional<KernelFamily> family;  // force one family where it exists
  ActivationRounding activations = ActivationRounding::from_file;
  // A kernel of another library for batches over dense weights of a type, or null: not bound by promise 1
  // (kernels/onednn/dense_onednn.h). Tokens alone keep the canonical one.
  const LinearKernelEntry* (*dense_batch)(FloatType) = nullptr;
  unsigned stages = 0;                  // of phase weights: run the first so many of those in the file; 0: all
  bool check_tensors = false;           // verify_payload at load
  FileAccess access = FileAccess::map;  // of load()
};

class Model {
 public:
  static Result<std::shared_ptr<const Model>> load(const std::string& path, const LoadOptions& options = {});
  static Result<std::shared_ptr<const Model>> create(std::shared_ptr<const TernFile> file,
                                                     const LoadOptions& options = {});
  ~Model();

  const TernFile& file() const;
  const ModelConfig& config() const;
  CpuFeatures features() const;              // what dispatch was allowed to use
  std::vector<std::string> kernels() const;  // names of the linear kernels in use, without repeats
  // A sentence for each kernel that was passed over because it failed its self-check on this CPU.
  std::vector<std::string> warnings() const;
  uint64_t bytes_per_token() const;     // weight bytes that one decoded token reads
  uint64_t products_per_token() const;  // weights of the linear layers without the head

  struct Parts;  // plans and views, for the runtime itself (runtime/model/parts.h)
  const Parts& parts() const { return *parts_; }

 private:
  explicit Model(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace tern
