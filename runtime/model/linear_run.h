// Executes the plans of linear_plan.h. Who calls what: forms are made by tokens, terms are summed by rows, layers whose
// output steps need whole rows are finished by tokens again; between these lies a barrier.
//
// Canonical order (docs/kernels.md): every term is its kernel's own chain t; y = fma(scale, t, y) over the terms in
// file order, y from 0, where a term of scale 1 that is the first to write a row gives y = t. Then output steps, then y
// + bias.
#pragma once

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

inline constexpr uint64_t kPartialRows =
    512;  // that terms leave at once before they are added; the largest tile has as many

// Memory of one member of the team.
struct MemberScratch {
  std::byte* kernel = nullptr;  // for linear kernels and attention, 64-byte aligned
  float* row = nullptr;         // the largest `scratch` of the model's plans
  float* partial = nullptr;     // [tokens][kPartialRows], where a plan has terms that do not set their rows
};

class LinearRun {
 public:
  LinearRun(const ElementKernels& kernels, const MemberScratch& scratch) : e_(kernels), scratch_(scratch) {}

  // Completes the raw rows of these tokens (zeros behind the values) and makes all other forms.
  void make_forms(const InputPlan& plan, const LinearInputBuffer& in, IndexRange tokens) const;

  // y, [tokens][plan.rows], for `tokens` tokens and these rows of the layer (of its first half, and those of the second
  // with them), which begin and end at its row_unit; finished unless the plan needs whole rows. REQUIRES that all forms are made.
  void sum_terms(const LinearPlan& plan, const InputPlan& input, const LinearInputBuffer& in, IndexRange rows,
                 uint64_t tokens, float* y) const;

  // Output steps and bias of whole rows, for these tokens. Only for plans that need it: others are finished already.
  void finish_tokens(const LinearPlan& plan, IndexRange tokens, float* y) const;

 private:
  void make(const InputPlan& plan, const InputForm& form, const LinearInputBuffer& in, IndexRange tokens) const;
  void transform(const InputPlan& plan, const InputForm& form, const LinearInputBuffer& in, IndexRange tokens) const;
  void round(const InputPlan& plan, const InputForm& form, const LinearInputBuffer& in, IndexRange tokens) const;
  void multiply(const InputForm& source, const InputForm& form, const LinearInputBuffer& in, IndexRange tokens) const;
  void slice(const InputForm& source, const InputForm& form, const LinearInputBuffer& in, uint64_t t) const;
  void slice_codes(const InputForm& source, const InputForm& form, const LinearInputBuffer& in, uint64_t t) const;
  void add_term(const LinearTerm& term, const InputView& in, IndexRange rows, float* y, uint64_t stride) const;
  void add_partial(const LinearTerm& term, const InputView& in, IndexRange rows, float* y, uint64_t stride) const;
  void finish(const LinearPlan& plan, IndexRange rows, float* y) const;

  const ElementKernels& e_;
  MemberScratch scratch_;
};

// What layers read before rounding: [tokens][x_stride].
const float* last_f32_rows(const InputPlan& plan, const LinearInputBuffer& in);

}  // namespace tern
