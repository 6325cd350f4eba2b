#include "apps/calibration.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <utility>

#include "apps/terminal.h"
#include "runtime/eval/input_statistics.h"
#include "runtime/eval/windows.h"

namespace tern::app {
namespace {

// Removes a file at the end. A model that is loaded keeps its map.
class Removed {
 public:
  explicit Removed(std::string path) : path_(std::move(path)) {}
  ~Removed() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  Removed(const Removed&) = delete;
  Removed& operator=(const Removed&) = delete;

 private:
  std::string path_;
};

Result<std::shared_ptr<const Model>> load_unquantized(const SourceModel& source, const std::string& output) {
  const std::string path = output + ".calibration";
  if (std::filesystem::exists(std::filesystem::symlink_status(path)))
    return invalid_argument(fmt::format("{} exists already: calibration needs this name", path));
  const Removed removed(path);
  ConvertOptions options;
  options.f32_activations = true;
  ProgressBar bar("prepare");
  TERN_TRY(convert(source, options, path, bar.callback()).status());
  return Model::load(path);
}

}  // namespace

void add_calibration_flags(CLI::App& verb, TextSource& flags) {
  CLI::Option* text =
      verb.add_option("--calibrate", flags.path, "ptqtp, vq, vptq: weigh errors by what the layers read of this text");
  verb.add_option("--calibrate-limit", flags.limit, "tokens of the text to use; 0: all")
      ->needs(text)
      ->capture_default_str();
  verb.add_flag("--calibrate-tokens", flags.tokens, "the file holds token ids instead of text")->needs(text);
}

Result<Calibration> calibrate(const SourceModel& source, const TextSource& flags, const std::string& output,
                              bool hessians) {
  TERN_ASSIGN(const std::string text, read_text(flags.path));
  TERN_ASSIGN(const auto model, load_unquantized(source, output));
  TERN_ASSIGN(const auto ids, tokens_of(text, flags, *model, "--calibrate-tokens"));
  StatisticsOptions options;
  options.bos = leading_bos(*model);
  Calibration result;
  uint64_t tokens = 0;
  if (hessians) {
    fmt::print("Hessians: {} in a temporary file beside {}\n", human_bytes(InputHessians::bytes(*model)), output);
    std::fflush(stdout);
    ProgressBar bar("calibrate");
    TERN_ASSIGN(result.hessians, InputHessians::collect(model, ids, output, options, bar.callback()));
    result.energies = result.hessians->mean_squares();
    tokens = result.hessians->tokens();
  } else {
    ProgressBar bar("calibrate");
    TERN_ASSIGN(InputStatistics statistics, input_statistics(model, ids, options, bar.callback()));
    result.energies = std::move(statistics.mean_square);
    tokens = statistics.tokens;
  }
  fmt::print("calibrated on {} tokens of {}\n", tokens, flags.path);
  return result;
}

}  // namespace tern::app
