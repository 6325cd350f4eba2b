// Executes the plans of linear_plan.h. Who calls what: forms are made by tokens, terms are summed by rows, layers whose
// output steps need whole rows are finished by tokens again; between these lies a barrier.
//
// Canonical order (docs/kernels.md): every term is its kernel's own chain t; y = fma(scale, t, y) over the terms in
// file order, y from 0, where a term of scale 1 that is the first to write a row gives y = t. Then output steps, then y
// + bias.
#pragma once

#include "base/checked.h"
#include "base/thread_team.h"
#include "runtime/model/linear_plan.h"

namespace tern {

using IndexRange = ThreadTeam::Member::Range;

// The rows of one input record, for up to `tokens` tokens.
struct LinearInputBuffer {
  float* x = nullptr;          // raw: [tokens][InputPlan::x_stride]
  std::byte* forms = nullptr;  // InputPlan::bytes per token, 64-byte aligned
  uint64_t tokens = 0;
};

// Memory of one member of the team.
struct MemberScratch {
  std::byte* kernel = nullptr;  // for linear kernels and attention, 64-byte aligned
  float* row = nullptr;         // the largest `scratch` of the model's plans
};

// Where a member leaves the rows of terms that do not set them: [tokens][stride].
struct PartialSums {
  float* y = nullptr;
  uint64_t stride = 0;
};
// The stride for a share of `rows` rows: where a term does not begin on a tile, the share cuts one of its tiles.
inline uint64_t partial_stride(uint64_t rows, uint64_t members) {
  return rows == 0 ? 0 : (ceil_div(rows, kTileRows * members) + 1) * kTileRows;
}

class LinearRun {
 public:
  LinearRun(const ElementKernels& kernels, const MemberScratch& scratch, const PartialSums& partial)
      : e_(kernels), scratch_(scratch), partial_(partial) {}

  // Completes the raw rows of these tokens (zeros behind the values) and makes all other forms.
  void make_forms(const InputPlan& plan, const LinearInputBuffer& in, IndexRange tokens) const;

  // y[t * stride + r] for `tokens` tokens and these rows of the layer, which begin on a tile; finished unless the plan
  // needs whole rows. REQUIRES that all forms are made.
  void sum_terms(const LinearPlan& plan, const InputPlan& input, const LinearInputBuffer& in, IndexRange rows,
                 uint64_t tokens, float* y, uint64_t stride) const;

  // Output steps and bias of whole rows, for these tokens. Only for plans that need it: others are finished already.
  void finish_tokens(const LinearPlan& plan, IndexRange tokens, float* y, uint64_t stride) const;

 private:
  void make(const InputPlan& plan, const InputForm& form, const LinearInputBuffer& in, IndexRange tokens) const;
  void transform(const InputPlan& plan, const InputForm& form, const LinearInputBuffer& in, IndexRange tokens) const;
  void round(const InputPlan& plan, const InputForm& form, const LinearInputBuffer& in, IndexRange tokens) const;
  void multiply(const InputForm& source, const InputForm& form, const LinearInputBuffer& in, IndexRange tokens) const;
  void slice(const InputForm& source, const InputForm& form, const LinearInputBuffer& in, uint64_t t) const;
  void slice_codes(const InputForm& source, const InputForm& form, const LinearInputBuffer& in, uint64_t t) const;
  void add_term(const LinearTerm& term, const InputView& in, IndexRange rows, float* y, uint64_t stride) const;
  void finish(const LinearPlan& plan, IndexRange rows, float* y) const;

  const ElementKernels& e_;
  MemberScratch scratch_;
  PartialSums partial_;
};

// What layers read before rounding: [tokens][x_stride].
const float* last_f32_rows(const InputPlan& plan, const LinearInputBuffer& in);

}  // namespace tern
