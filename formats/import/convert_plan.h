// Which encoding every matrix gets, and the description of the file that follows from it.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/progress.h"
#include "base/status.h"
#include "formats/import/convert.h"
#include "formats/import/source_model.h"
#include "formats/quantize/ptqtp.h"

namespace tern {

struct MatrixPlan {
  const SourceMatrix* source = nullptr;
  std::unique_ptr<SourceMatrix> ternary;  // the source read as trits; null when it is stored otherwise
  Encoding encoding;
  bool keep_codes = false;            // codes and scales are taken over, not computed
  std::optional<PtqtpOptions> ptqtp;  // how trit planes are computed; none: round to nearest
  std::vector<float> importance;      // of every column, for ptqtp; or none

  const SourceMatrix& codes_source() const { return ternary ? *ternary : *source; }
};

struct ConvertPlan {
  ModelDescription description;
  std::vector<MatrixPlan> matrices;  // matrices[i] becomes description.tensors[i]
};

// Reads dense matrices where their values decide (is it ternary already?). `source` must outlive the plan.
Result<ConvertPlan> plan_conversion(const SourceModel& source, const ConvertOptions& options,
                                    const ProgressCallback& progress);

}  // namespace tern
