// What is refused before a conversion starts.
#pragma once

#include "base/status.h"
#include "formats/import/convert.h"

namespace tern {

// Options that make no sense, or not for this model.
Status check_convert_options(const SourceModel& source, const ConvertOptions& options);
// Activations rounded per token lie side by side, so the groups of the weights must fill their blocks.
Status check_packing(const ModelDescription& description);

}  // namespace tern
