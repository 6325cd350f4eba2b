// From a SourceModel to a .tern file, streaming blocks of rows: peak memory does not grow with
// the model. Weights that are already ternary are recognised and packed without loss.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/status.h"
#include "formats/import/phase_matrix.h"
#include "formats/import/source_model.h"
#include "formats/quantize/ptqtp.h"
#include "formats/quantize/vq.h"

namespace tern {

enum class WeightChoice { automatic, trit, f32, f16, bf16, int8, int6, int4, ptqtp, ptqtp_recover, fairy2i, vq };
// automatic, for linears: ternary stays ternary (trit), phases phases, llama2.c int8 int8, and dense keeps its type.
// ptqtp_recover: planes that the checkpoint holds as dense sums; the other layers as with automatic.
// fairy2i: phase codes of the widely-linear form; a matrix with an odd side stays dense.
// automatic, for head and embedding: int8 if the linears are low-bit, else as the checkpoint.

// By linear layer: for every column of its input the mean square over a calibration text.
using ColumnEnergies = std::map<std::string, std::vector<double>>;
// By linear layer: the lower triangle, row after row, of the sum of x x^T over a calibration text.
using HessianTriangles = std::map<std::string, std::span<const double>>;

// How trits are packed: two bits each, or five in a byte (1.6 bits). automatic: two bits (docs/methods.md says why).
enum class TritPacking { automatic, two_bits, five_in_a_byte };

struct ConvertOptions {
  WeightChoice weights = WeightChoice::automatic;
  WeightChoice head = WeightChoice::automatic;
  WeightChoice embed = WeightChoice::automatic;  // tied models: head and embed must agree
  std::optional<uint32_t> int_group;             // columns per scale of int weights; int8, int6: 64, int4: 32
  TritPacking pack = TritPacking::automatic;
  bool f32_activations = false;  // --act f32: store no activation rounding
  PtqtpOptions ptqtp;            // of matrices that become trit planes
  uint32_t ptqtp_group = 128;    // columns per scale of these
  PhaseOptions fairy2i;          // of matrices that become phase codes: stages, joint, refit
  // What shares scales there: f32 scales for a tensor, else f16.
  PhaseRegion fairy2i_scales = PhaseRegion::tensor;
  VqOptions vq;  // of matrices that become vectors
  // ptqtp, vq: errors of the weights of a column count as much as the column's energy, plus a hundredth of the layer's
  // mean energy. Layers that are not here count all columns alike.
  ColumnEnergies calibration;
  // vq with feedback; must outlive the conversion. Layers that are not here are quantized without.
  HessianTriangles hessians;
};

struct TensorReport {
  std::string name, encoding;  // encoding: describe(...)
  uint64_t rows = 0, cols = 0, bytes = 0;
  bool exact = false;         // every weight equals the source's value in f32
  double relative_error = 0;  // Frobenius, against the source's values
  // As PhaseMatrix counts them.
  uint64_t doubtful_scales = 0, doubtful_codes = 0;
};

struct ConvertReport {
  std::vector<TensorReport> tensors;
  uint64_t file_bytes = 0;
  double bits_per_weight = 0;  // of the block linears, everything included
  uint64_t peak_estimate = 0;  // bytes of memory stated before the start
};

// Stated before conversion starts: bytes of memory that convert will need at most.
Result<uint64_t> estimate_convert_memory(const SourceModel& source, const ConvertOptions& options);

Result<ConvertReport> convert(const SourceModel& source, const ConvertOptions& options, const std::string& output_path,
                              const ProgressCallback& progress = {});

}  // namespace tern
