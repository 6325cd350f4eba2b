// The encodings of all matrices, and the description of the file that follows from them.
#pragma once

#include <vector>

#include "base/progress.h"
#include "base/status.h"
#include "formats/import/convert.h"
#include "formats/import/matrix_plan.h"
#include "formats/import/source_model.h"

namespace tern {

struct ConvertPlan {
  ModelDescription description;
  std::vector<MatrixPlan> matrices;  // matrices[i] becomes description.tensors[i]; codebooks follow in their order
};

// Reads dense matrices where their values decide (is it ternary already?). `source` must outlive the plan.
Result<ConvertPlan> plan_conversion(const SourceModel& source, const ConvertOptions& options,
                                    const ProgressCallback& progress);

}  // namespace tern
