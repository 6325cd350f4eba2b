// `tern convert --calibrate`: the checkpoint runs over a text before it is quantized.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "formats/import/convert.h"
#include "formats/import/source_model.h"

namespace tern::app {

struct CalibrationFlags {
  std::string text;        // file; empty: no calibration
  uint64_t limit = 16384;  // tokens of it; 0: all
  bool tokens = false;     // the file holds token ids
};

void add_calibration_flags(CLI::App& verb, CalibrationFlags& flags);

// What the layers of the checkpoint read, unquantized and with f32 activations. The model is written beside `output`
// for that, under a name of its own that is gone again when this returns.
Result<ColumnEnergies> calibrate(const SourceModel& source, const CalibrationFlags& flags, const std::string& output);

}  // namespace tern::app
