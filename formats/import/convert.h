// From a SourceModel to a .tern file, streaming blocks of rows: peak memory does not grow with
// the model. Weights that are already ternary are recognised and packed without loss.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/status.h"
#include "formats/import/source_model.h"
#include "formats/quantize/ptqtp.h"

namespace tern {

enum class WeightChoice { automatic, trit, f32, f16, bf16, int8, int6, int4, ptqtp };
// automatic, for linears: ternary stays ternary (trit), llama2.c int8 stays int8, dense keeps its type.
// automatic, for head and embedding: int8 if the linears are low-bit, else as the checkpoint.

struct ConvertOptions {
  WeightChoice weights = WeightChoice::automatic;
  WeightChoice head = WeightChoice::automatic;
  WeightChoice embed = WeightChoice::automatic;  // tied models: head and embed must agree
  std::optional<uint32_t> int_group;             // columns per scale of int weights; int8, int6: 64, int4: 32
  bool f32_activations = false;                  // --act f32: store no activation rounding
  PtqtpOptions ptqtp;                            // of matrices that become trit planes
  uint32_t ptqtp_group = 128;                    // columns per scale of these
};

struct TensorReport {
  std::string name, encoding;  // encoding: describe(...)
  uint64_t rows = 0, cols = 0, bytes = 0;
  bool exact = false;         // every weight equals the source's value in f32
  double relative_error = 0;  // Frobenius, against the source's values
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
