// tern convert: a published checkpoint becomes a packed file.
#include <fmt/format.h>
#include <omp.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <utility>

#include "apps/command.h"
#include "apps/convert_options.h"
#include "apps/interrupt.h"
#include "apps/model_options.h"
#include "apps/terminal.h"
#include "formats/import/outlier_columns.h"

namespace tern::app {
namespace {

std::string fidelity(const TensorReport& tensor) {
  return tensor.exact ? "exact" : fmt::format("relative error {:.3g}", tensor.relative_error);
}

void show_tensor(const TensorReport& tensor) {
  fmt::print("{:<28} {:>7} x {:<7} {:<40} {:>11}  {}\n", tensor.name, tensor.rows, tensor.cols, tensor.encoding,
             human_bytes(tensor.bytes), fidelity(tensor));
}

// "blocks.3.attn.q" and "blocks.4.attn.q" play the same role.
std::string role_of(const std::string& name) {
  const size_t begin = name.find('.'), end = name.find('.', begin + 1);
  return name.starts_with("blocks.") && end != std::string::npos ? "blocks.*" + name.substr(end) : name;
}

// One line per role, encoding and exactness; of errors the worst.
void show_folded(const std::vector<TensorReport>& tensors) {
  std::vector<std::pair<TensorReport, size_t>> lines;
  for (TensorReport tensor : tensors) {
    tensor.name = role_of(tensor.name);
    auto line = lines.begin();
    const auto alike = [&](const TensorReport& t) {
      return t.name == tensor.name && t.encoding == tensor.encoding && t.exact == tensor.exact &&
             t.rows == tensor.rows && t.cols == tensor.cols;
    };
    while (line != lines.end() && !alike(line->first)) ++line;
    if (line == lines.end()) {
      lines.emplace_back(tensor, 1);
      continue;
    }
    line->first.bytes += tensor.bytes;
    line->first.relative_error = std::max(line->first.relative_error, tensor.relative_error);
    ++line->second;
  }
  for (auto& [tensor, count] : lines) {
    if (count > 1) tensor.name += fmt::format(" ({})", count);
    show_tensor(tensor);
  }
}

void show_report(const ConvertReport& report, const ConvertFlags& flags, double seconds) {
  if (flags.quiet)
    show_folded(report.tensors);
  else
    for (const TensorReport& tensor : report.tensors) show_tensor(tensor);
  size_t exact = 0;
  uint64_t scales = 0, codes = 0;
  for (const TensorReport& tensor : report.tensors) {
    exact += tensor.exact;
    scales += tensor.doubtful_scales, codes += tensor.doubtful_codes;
  }
  if (scales != 0) {
    fmt::print(
        "{} scales lie so near the middle of two bf16 numbers that torch's f32 mean may give the other one; {} "
        "codes depend on it\n",
        scales, codes);
  }
  fmt::print("{}: {} ({} bytes), {:.3f} bits per weight in the blocks, {} of {} tensors exact, {:.1f} s\n",
             flags.output, human_bytes(report.file_bytes), report.file_bytes, report.bits_per_weight, exact,
             report.tensors.size(), seconds);
}

Status stop_if_interrupted() { return interrupted() ? aborted("conversion stopped on request") : Status(); }

Status run_convert(const ConvertFlags& flags) {
  ignore_broken_pipe();
  const bool exists = std::filesystem::exists(std::filesystem::symlink_status(flags.output));
  if (exists && !flags.force) {
    return invalid_argument(fmt::format("{} exists already: give --force to replace it", flags.output));
  }
  const Timer timer;
  TERN_ASSIGN(ConvertOptions options, convert_options(flags));
  const bool vptq = flags.weights == "vptq";
  TERN_ASSIGN(SourceModel source, import_checkpoint(flags.source, import_options(flags)));
  TERN_ASSIGN(uint64_t memory, estimate_convert_memory(source, options));
  if (vptq) memory += vptq_working_bytes(source, vptq_options(flags), static_cast<unsigned>(omp_get_max_threads()));
  fmt::print("{}: {}\nmemory needed: at most {}\n", flags.source, source.convention, human_bytes(memory));
  if (!source.chat_note.empty()) fmt::print("chat template: {}\n", source.chat_note);
  std::fflush(stdout);

  Result<ConvertReport> report = [&]() -> Result<ConvertReport> {
    Calibration calibration;
    if (!flags.calibration.path.empty()) {
      TERN_ASSIGN(calibration, calibrate(source, flags.calibration, flags.output, options.vq.feedback || vptq));
      options.calibration = std::move(calibration.energies);
      if (calibration.hessians) options.hessians = calibration.hessians->triangles();
    }
    if (options.weights == WeightChoice::vq && options.vq.outliers.percent != 0)
      TERN_TRY(split_outliers(source, options));
    if (vptq) TERN_TRY(quantize_vptq(source, vptq_options(flags), options.hessians, stop_if_interrupted));
    ProgressBar bar("convert");
    return convert(source, options, flags.output, bar.callback());
  }();
  if (!report.ok() && interrupted()) return aborted(fmt::format("interrupted, {} was not written", flags.output));
  if (!report.ok()) return report.status();
  show_report(*report, flags, timer.seconds());
  return {};
}

}  // namespace

void add_convert(CLI::App& root, Action& chosen) {
  const auto o = std::make_shared<ConvertFlags>();
  CLI::App* verb =
      root.add_subcommand("convert", "convert a checkpoint (Hugging Face folder or llama2.c .bin) to .tern");
  add_convert_flags(*verb, *o);
  verb->callback([o, &chosen] { chosen = [o] { return run_convert(*o); }; });
}

}  // namespace tern::app
