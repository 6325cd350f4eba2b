// Which forms of an input record weights read, and where these lie. Forms are added as layers ask for them and shared
// by all that ask for the same.
#pragma once

#include "base/status.h"
#include "formats/tern/description.h"
#include "runtime/model/linear_plan.h"

namespace tern {

// Where a weight's columns begin: column `col_begin` of a form.
struct FormColumns {
  size_t form = 0;
  uint64_t col_begin = 0;
};

// How far an f32 kernel may read, the weight's columns and zeros behind them.
uint64_t columns_read(const WeightView& weight);

// Columns [col_begin, col_begin + weight.cols) of an f32 form. Kernels may read zeros up to the weight's padding: where
// other columns follow instead, the weight gets a slice.
FormColumns f32_columns(InputPlan& input, size_t form, uint64_t col_begin, const WeightView& weight);

// The same of the rounded row. `layer` stands in the message if the rounding does not go with the weight.
Result<FormColumns> rounded_columns(InputPlan& input, const std::string& layer, const InputOp& rounding,
                                    uint64_t col_begin, const WeightView& weight);

// A times columns of a form.
size_t product_form(InputPlan& input, const FormColumns& from, const LinearKernelEntry& kernel, const WeightView& a);

// Settles strides and places; to be called after every addition.
void lay_out(InputPlan& input);

}  // namespace tern
