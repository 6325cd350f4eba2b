// Dense linear layers of a source model become compositions as VPTQ's checkpoints give them (vptq.h), fitted by
// formats/quantize/vptq.h: a scaled, perhaps permuted input, terms of vectors along the output axis, and a shift of
// rank 1. Layers are fitted as they are read (vptq_fitted_layer.h).
#pragma once

#include "base/status.h"
#include "formats/import/convert.h"
#include "formats/import/source_model.h"
#include "formats/quantize/vptq.h"

namespace tern {

// Replaces the linear layers of the blocks; the model is then converted with WeightChoice::automatic. hessians as in
// ConvertOptions. interruption: asked while layers are fitted, as they are read.
Status quantize_vptq(SourceModel& source, const VptqOptions& options, const HessianTriangles& hessians,
                     const Interruption& interruption = {});
// Bytes that fitting the largest layer takes at most.
uint64_t vptq_working_bytes(const SourceModel& source, const VptqOptions& options, unsigned threads);

}  // namespace tern
