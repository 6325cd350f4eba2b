// Flags of `tern convert`, and what they mean.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "apps/calibration.h"
#include "formats/import/convert.h"
#include "formats/import/vptq_quantizer.h"

namespace tern::app {

struct ConvertFlags {
  std::string source, output, weights = "auto", head = "auto", embed = "auto", activations = "auto", pack = "auto";
  ImportOptions import;
  std::optional<uint32_t> group;
  PtqtpOptions ptqtp;
  PhaseOptions fairy2i;
  std::string fairy2i_scales = "tensor", fairy2i_variant, fairy2i_head;
  unsigned length = VqOptions().length, index_bits = VqOptions().bits, codebooks = VqOptions().planes;
  VqOptions vq;  // the rest
  std::string kmeans_mode = "hessian";
  bool int8_codebooks = false;  // of vptq
  TextSource calibration{"", 16384};
  bool force = false, quiet = false;
};

void add_convert_flags(CLI::App& verb, ConvertFlags& flags);

// Refuses flags that belong to another encoding than those chosen.
Result<ConvertOptions> convert_options(const ConvertFlags& flags);
ImportOptions import_options(const ConvertFlags& flags);
VptqOptions vptq_options(const ConvertFlags& flags);  // of --weights vptq

}  // namespace tern::app
