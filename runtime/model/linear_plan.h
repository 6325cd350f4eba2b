// What a linear layer of the file becomes at load: kernels chosen, weights bound as views into the map, every size and
// index checked (linear_planner.h). A step only executes plans (linear_run.h):
//
//   input record   raw row ─ steps ─► transformed row ─ rounding ─► rounded row      made once per token, shared by
//                  and made of these: slices of columns, products A x                 the layers of the record
//   layer          y = sum over terms, in file order, of scale * (weights over a form, or a sparse matrix)
//                  then the output steps, then the bias
//
// What this version lacks is refused by name: rounding to other than 8 bits, sparse terms over rounded rows, rotations
// in blocks that their encoding pads.
#pragma once

#include <string>
#include <vector>

#include "kernels/linear/linear.h"
#include "kernels/sparse/sparse.h"
#include "runtime/model/row_step.h"

namespace tern {

// One array per token that terms read: what the record is given, or something made of an earlier form.
struct InputForm {
  enum class Kind : uint8_t {
    raw,          // f32, given
    transformed,  // f32: the record's steps, applied to the raw row
    rounded,      // int8 of the last f32 row, one scale per token or group
    slice,        // columns of another form, where that one's layout does not fit the weights
    product       // f32: A x, the first half of a low-rank term
  } kind = Kind::raw;
  LinearInput type = LinearInput::f32;
  size_t source = 0;       // slice, product: position of the form that it reads
  uint64_t col_begin = 0;  // slice, product: first column of the source
  uint64_t cols = 0;
  uint64_t stride = 0;  // per token: floats (values, then zeros), or int8 codes (a multiple of 64)
  uint64_t groups = 1, group_cols = 0, padded_group_cols = 0;  // int8, as ElementKernels::quantize_int8 takes them
  const LinearKernelEntry* kernel = nullptr;                   // product
  WeightView weight;                                           // product: A
  uint64_t at = 0;  // where it begins in the workspace of the record: bytes per token, a multiple of 64
};

struct InputPlan {
  uint64_t cols = 0;
  uint64_t x_stride = 0;  // of the raw and the transformed row
  std::vector<RowStep> steps;
  std::vector<InputForm> forms;  // in the order of making; the first is raw, with steps the second is transformed
  uint64_t bytes = 0;            // of workspace per token, without the raw rows; a multiple of 64
  uint64_t scratch = 0;          // floats per member
  uint64_t tokens_at_once = 1;   // how many tokens' forms are best made together

  size_t last_f32() const { return steps.empty() ? 0 : 1; }  // what layers read before rounding
  bool rounded() const;
};

inline constexpr uint64_t kBatchTokens = 128;  // fewer are not worth what batch_kernel unpacks

struct LinearTerm {
  const LinearKernelEntry* kernel = nullptr;        // null: sparse
  const LinearKernelEntry* batch_kernel = nullptr;  // for kBatchTokens or more, where one was asked for
  WeightView weight;
  SparseView sparse;
  size_t form = 0;         // position in InputPlan::forms
  uint64_t col_begin = 0;  // of an f32 form
  uint64_t row_begin = 0, rows = 0;
  float scale = 1;
  // Scale 1, the first to write its rows, which begin at a multiple of its tile's: it writes y itself.
  bool sets = false;

  const LinearKernelEntry& kernel_of(uint64_t tokens) const {
    return batch_kernel && tokens >= kBatchTokens ? *batch_kernel : *kernel;
  }
};

struct LinearPlan {
  std::string name;
  uint64_t rows = 0, cols = 0;
  std::vector<LinearTerm> terms;
  bool starts_at_zero = false;  // some rows are set by no term
  // 2 for phase weights, which give rows r and rows / 2 + r together: parts of the rows then name those of the first
  // half.
  uint64_t halves = 1;
  uint64_t row_unit = 1;      // parts of the rows that are computed apart begin at multiples of this
  std::vector<RowStep> post;  // scale and hadamard
  bool whole_rows = false;    // a hadamard among them: only who has all rows of a token can finish it
  std::vector<float> bias;    // rows values, or none
  uint64_t scratch = 0;       // floats per member, for post

  uint64_t weight_bytes = 0, products = 0;  // of all terms: read for a token, multiplied for a token
  struct Choice {
    const LinearKernelEntry* kernel;
    std::vector<const LinearKernelEntry*> passed_over;  // better ones that failed their self-check
  };
  std::vector<Choice> kernels;  // in use for it

  uint64_t half_rows() const { return rows / halves; }
};

}  // namespace tern
