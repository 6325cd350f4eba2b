// `tern convert --calibrate`: the checkpoint runs over a text before it is quantized.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "apps/text_input.h"
#include "formats/import/convert.h"
#include "formats/import/source_model.h"
#include "runtime/eval/input_hessians.h"

namespace tern::app {

// The text to run over; without a path there is no calibration.
void add_calibration_flags(CLI::App& verb, TextSource& flags);

struct Calibration {
  ColumnEnergies energies;
  std::optional<InputHessians> hessians;  // if asked for; the energies are their diagonals
};

// What the layers of the checkpoint read, unquantized and with f32 activations. The model is written beside `output`
// for that, under a name of its own that is gone again when this returns; Hessians lie in a file without a name.
Result<Calibration> calibrate(const SourceModel& source, const TextSource& flags, const std::string& output,
                              bool hessians);

}  // namespace tern::app
