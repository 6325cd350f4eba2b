// A linear layer of the file, resolved once at load: the kernel chosen, the weights bound as a view into the
// map, every size checked. A step only executes plans.
//
// What this version runs of the format's compositions: one encoded term that covers the whole matrix with
// scale 1, an optional bias, and an input that is rounded to int8 per token or per token and group, or not at
// all; an input of a layer's own may be normalized first. Every other part is refused by name.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "base/thread_team.h"
#include "formats/tern/reader.h"
#include "kernels/dispatch/dispatch.h"
#include "runtime/model/model.h"

namespace tern {

// The forms in which the layers that share one input record want their input. f32 always; int8 if rounded.
struct InputPlan {
  uint64_t cols = 0;
  uint64_t x_stride = 0;  // floats per token: cols values, then zeros
  bool rounded = false;
  uint64_t groups = 0, group_cols = 0, padded_group_cols = 0;  // as ElementKernels::quantize_int8 takes them
  uint64_t code_stride = 0;                                    // bytes per token, a multiple of 64
  std::vector<float> norm;                                     // weight of the RMSNorm that comes first, or none
};

using Range = ThreadTeam::Member::Range;

// The output rows that a range of tiles gives: one range, or one in each half (phase).
class OutputRows {
 public:
  OutputRows(const Layout& layout, Range tiles);
  const Range* begin() const { return ranges_; }
  const Range* end() const { return ranges_ + count_; }

 private:
  Range ranges_[2];
  uint64_t count_;
};

struct LinearPlan {
  std::string name;
  const LinearKernelEntry* kernel = nullptr;
  std::vector<const LinearKernelEntry*> passed_over;  // better ones that failed their self-check
  WeightView weight;
  std::vector<float> bias;  // rows values, or none

  uint64_t bytes() const;  // of weights that a pass reads
};

class LinearPlanner {
 public:
  // REQUIRES that validate_model accepted the file, and that it outlives the plans.
  LinearPlanner(const TernFile& file, CpuFeatures features, const LoadOptions& options);

  // Plans the layer `name`, and widens `input` to what it needs; layers of one input record share an InputPlan.
  // Only an `own_input`, which no other layer reads, may begin with a norm.
  Status plan(const std::string& name, InputPlan& input, LinearPlan& out, bool own_input = false) const;
  // Whether the layer's input is of its own (validate_model) where others of its kind share one.
  bool has_own_input(const std::string& name) const;

  // A matrix as a view into the file.
  Result<WeightView> bind(uint32_t tensor) const;
  // A plain vector as f32; by name: empty if the file has none.
  Result<std::vector<float>> vector(uint32_t tensor) const;
  Result<std::vector<float>> vector(const std::string& name) const;

 private:
  Status check_ops(const LinearRecord& linear, bool own_input) const;
  // Cuts phase weights to the stages that were asked for.
  Status choose_stages(const std::string& name, Encoding& encoding) const;

  const TernFile& file_;
  CpuFeatures features_;
  std::optional<KernelFamily> family_;
  ActivationRounding activations_;
  unsigned stages_;
  std::unordered_map<std::string_view, const LinearRecord*> linears_;
};

}  // namespace tern
