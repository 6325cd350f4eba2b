// Which encoding a matrix gets, and how its codes come about.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/status.h"
#include "formats/import/convert.h"
#include "formats/import/outlier_columns.h"
#include "formats/import/phase_matrix.h"
#include "formats/import/source_model.h"
#include "formats/quantize/ptqtp.h"
#include "formats/quantize/vq.h"

namespace tern {

struct MatrixPlan {
  const SourceMatrix* source = nullptr;
  std::unique_ptr<SourceMatrix> ternary;  // the source read as trits; null when it is stored otherwise
  std::unique_ptr<PhaseMatrix> fitted;    // the source read as phase codes, where it is not phases itself
  const PhaseMatrix* phase = nullptr;     // where the phase codes come from
  Encoding encoding;
  bool keep_codes = false;            // codes and scales are taken over, not computed
  std::optional<PtqtpOptions> ptqtp;  // how trit planes are computed; none: round to nearest
  std::optional<VqOptions> vq;        // how vectors and their codebook are computed (vector_packer.h)
  std::vector<float> importance;      // of every column, for ptqtp and vq; or none
  std::span<const double> hessian;    // of vq with error feedback, a triangle (hessian_factor.h); or none
  // The source as columns of a matrix, which the Hessian is of; null if it is a matrix itself.
  const ColumnsMatrix* columns = nullptr;

  const SourceMatrix& codes_source() const { return ternary ? *ternary : *source; }
};

MatrixPlan plan_plain(const SourceMatrix& m);  // a vector, f32
MatrixPlan plan_fixed(const SourceMatrix& m);  // of a composition, as its form says
// A linear layer. Reads dense matrices where their values decide (is it ternary already?).
Result<MatrixPlan> plan_linear(const SourceMatrix& m, WeightChoice choice, const ConvertOptions& options);
// Embedding or head: automatic is int8 beside low-bit linears, else as the checkpoint has them.
Result<MatrixPlan> plan_table(const SourceMatrix& m, WeightChoice choice, bool linears_low_bit,
                              const ConvertOptions& options);

}  // namespace tern
