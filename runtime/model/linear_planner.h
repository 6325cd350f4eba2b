// Resolves the linear layers of a file into plans (linear_plan.h), once at load.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "formats/tern/reader.h"
#include "runtime/model/input_forms.h"
#include "runtime/model/model.h"
#include "runtime/model/tensor_views.h"

namespace tern {

class LinearPlanner {
 public:
  // REQUIRES that validate_model accepted the file, and that it outlives the plans.
  LinearPlanner(const TernFile& file, CpuFeatures features, const LoadOptions& options);

  // Plans the layer `name`, and adds to `input` what it needs; layers of one input record share an InputPlan. What this
  // version lacks is `unsupported`, an index that its place does not allow `corrupt`.
  Status plan(const std::string& name, InputPlan& input, LinearPlan& out) const;
  // Whether the layer's input is of its own (validate_model) where others of its kind share one.
  bool has_own_input(const std::string& name) const;
  bool has(const std::string& name) const { return linears_.contains(name); }
  const TensorViews& tensors() const { return tensors_; }

 private:
  struct Layer;  // what planning one layer passes around
  Status plan_input(const Layer& layer) const;
  Status add_step(const InputOp& op, const Layer& layer) const;
  Result<RowStep> rotation(uint32_t tensor, const Layer& layer) const;
  Result<RowStep> hadamard(uint32_t signs, uint32_t matrix, uint32_t block, uint64_t n) const;
  Status add_term(const Term& term, const Layer& layer) const;
  Result<LinearTerm> encoded(const Term& term, const Layer& layer) const;
  Status admit_phase(const Term& term, WeightView& weight, const Layer& layer) const;
  Result<LinearTerm> low_rank(const Term& term, const Layer& layer) const;
  Result<LinearTerm> sparse(const Term& term, const Layer& layer) const;
  Result<FormColumns> columns(const Term& term, const WeightView& weight, const Layer& layer) const;
  Status add_post(const OutputOp& op, const Layer& layer) const;
  Result<const LinearKernelEntry*> choose(const WeightView& weight, LinearInput input, const Layer& layer) const;
  bool rounds(const Term& term) const;

  const TernFile& file_;
  TensorViews tensors_;
  CpuFeatures features_;
  std::optional<KernelFamily> family_;
  const LinearKernelEntry* (*dense_batch_)(FloatType);
  ActivationRounding activations_;
  unsigned stages_;
  std::unordered_map<std::string_view, const LinearRecord*> linears_;
};

// Makes `own` read the raw rows of `shared`: inputs of single layers that start from one activation.
void share_raw_rows(InputPlan& shared, std::span<InputPlan> own);

}  // namespace tern
