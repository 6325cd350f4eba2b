#include "formats/import/convert_check.h"

#include <fmt/format.h>

#include "formats/encoding/trit5.h"

namespace tern {

Status check_convert_options(const SourceModel& source, const ConvertOptions& options) {
  if (options.int_group == 0u || options.ptqtp_group == 0)
    return invalid_argument("the group size is 0, expected a positive count");
  TERN_TRY(check_vq(options.vq));
  const PtqtpOptions& ptqtp = options.ptqtp;
  if (ptqtp.planes == 0 || ptqtp.planes > kMaxPtqtpPlanes)
    return invalid_argument(fmt::format("{} trit planes, expected 1 to {}", ptqtp.planes, kMaxPtqtpPlanes));
  if (ptqtp.tied && ptqtp.planes != 2)
    return invalid_argument(fmt::format("tied scales need 2 trit planes, not {}", ptqtp.planes));
  if (options.fairy2i.stages == 0 || options.fairy2i.stages > kMaxPhaseStages)
    return invalid_argument(fmt::format("{} phase stages, expected 1 to {}", options.fairy2i.stages, kMaxPhaseStages));
  const bool differ = options.head != options.embed && options.head != WeightChoice::automatic &&
                      options.embed != WeightChoice::automatic;
  if (source.tied_head && differ) {
    return invalid_argument(
        "the head of this model is tied to its embedding: both are one matrix, choose one encoding");
  }
  const bool split = !source.linears.empty() && source.linears[0].split;
  if (!split && options.weights == WeightChoice::vq && options.vq.outliers.percent != 0)
    return internal_error("the outlier columns were not split off before the conversion");
  if (!source.linears.empty() && !split && options.weights != WeightChoice::automatic) {
    return invalid_argument(fmt::format("layer '{}' of this checkpoint ({}) is stored as it is: choose no encoding",
                                        source.linears[0].linear.name, source.convention));
  }
  return {};
}

Status check_packing(const ModelDescription& d) {
  for (const LinearRecord& linear : d.linears) {
    const uint32_t tensor = linear.terms[0].tensor;
    const std::vector<InputOp>& ops = d.inputs[linear.input].ops;
    if (tensor == kNoTensor || ops.empty() || ops.back().scope != ScaleScope::row) continue;
    const Encoding& e = d.tensors[tensor].encoding;
    if (e.kind != EncodingKind::trit || e.bits != kTrit5Bits || e.group % kTrit5BlockCols == 0) continue;
    if (e.group == d.tensors[tensor].cols) continue;  // one group
    return invalid_argument(
        fmt::format("layer '{}': trits at 1.6 bits in groups of {} columns, with activations rounded per token; "
                    "choose groups of a multiple of {} columns, or 2 bits",
                    linear.name, e.group, kTrit5BlockCols));
  }
  return {};
}

}  // namespace tern
