// tern convert: a published checkpoint becomes a packed file.
#include <fmt/format.h>
#include <omp.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "apps/calibration.h"
#include "apps/command.h"
#include "apps/interrupt.h"
#include "apps/model_options.h"
#include "apps/terminal.h"
#include "formats/import/convert.h"
#include "formats/import/vptq_quantizer.h"

namespace tern::app {
namespace {

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
  VptqOptions vptq;  // what is not in vq
  TextSource calibration{"", 16384};
  bool force = false, quiet = false;
};

constexpr std::pair<const char*, WeightChoice> kChoices[] = {
    {"auto", WeightChoice::automatic},  {"trit", WeightChoice::trit},
    {"f32", WeightChoice::f32},         {"f16", WeightChoice::f16},
    {"bf16", WeightChoice::bf16},       {"int8", WeightChoice::int8},
    {"int6", WeightChoice::int6},       {"int4", WeightChoice::int4},
    {"ptqtp", WeightChoice::ptqtp},     {"ptqtp-recover", WeightChoice::ptqtp_recover},
    {"fairy2i", WeightChoice::fairy2i}, {"vq", WeightChoice::vq}};

constexpr std::pair<const char*, VqTraining> kKmeansModes[] = {
    {"hessian", VqTraining::hessian}, {"plain", VqTraining::plain}, {"none", VqTraining::none}};

constexpr std::pair<const char*, PhaseRegion> kRegions[] = {
    {"tensor", PhaseRegion::tensor}, {"row", PhaseRegion::row}, {"tile", PhaseRegion::tile}};

// CLI11 has checked that the name is one of them. What follows a colon counts stages.
WeightChoice choice_of(const std::string& name) {
  for (const auto& [known, choice] : kChoices) {
    if (name.substr(0, name.find(':')) == known) return choice;
  }
  return WeightChoice::automatic;
}

std::vector<std::string> choice_names() {
  std::vector<std::string> names;
  for (const auto& choice : kChoices) names.emplace_back(choice.first);
  return names;
}

std::vector<std::string> weight_names() {
  std::vector<std::string> names = choice_names();
  names.emplace_back("vptq");
  for (unsigned stages = 1; stages <= kMaxPhaseStages; ++stages) names.push_back(fmt::format("fairy2i:{}", stages));
  return names;
}

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

// The flags of fairy2i, where some matrix is to become that.
Status fairy2i_options(const ConvertFlags& flags, ConvertOptions& options) {
  const bool chosen = options.weights == WeightChoice::fairy2i || options.head == WeightChoice::fairy2i ||
                      options.embed == WeightChoice::fairy2i;
  if (!chosen && (flags.fairy2i.joint || flags.fairy2i.refit || flags.fairy2i_scales != "tensor"))
    return invalid_argument("--fairy2i-scales, --fairy2i-joint and --fairy2i-refit belong to --weights fairy2i");
  if (options.weights == WeightChoice::fairy2i && !flags.fairy2i_variant.empty())
    return invalid_argument("--fairy2i-variant names a model trained so, which --weights fairy2i would quantize again");
  if (!flags.fairy2i_head.empty() && flags.fairy2i_variant.empty())
    return invalid_argument("--fairy2i-head belongs to --fairy2i-variant");
  options.fairy2i = flags.fairy2i;
  if (const size_t colon = flags.weights.find(':'); colon != std::string::npos)
    options.fairy2i.stages = static_cast<unsigned>(flags.weights[colon + 1] - '0');
  for (const auto& [name, region] : kRegions) {
    if (flags.fairy2i_scales == name) options.fairy2i_scales = region;
  }
  return {};
}

ImportOptions import_options(const ConvertFlags& flags) {
  ImportOptions options = flags.import;
  if (!flags.fairy2i_variant.empty()) options.fairy2i_stages = static_cast<unsigned>(flags.fairy2i_variant[1] - '0');
  if (!flags.fairy2i_head.empty()) options.fairy2i_head = flags.fairy2i_head == "quantized";
  return options;
}

VqOptions vq_options(const ConvertFlags& flags) {
  VqOptions vq = flags.vq;
  vq.length = static_cast<uint8_t>(flags.length);
  vq.bits = static_cast<uint8_t>(flags.index_bits);
  vq.planes = static_cast<uint8_t>(flags.codebooks);
  for (const auto& [name, training] : kKmeansModes) {
    if (flags.kmeans_mode == name) vq.training = training;
  }
  return vq;
}

// --weights vptq: what it shares with vq, and its own.
VptqOptions vptq_options(const ConvertFlags& flags) {
  VptqOptions vptq = flags.vptq;
  vptq.length = flags.length, vptq.bits = flags.index_bits, vptq.residual = flags.codebooks == 2;
  vptq.groups = flags.vq.groups, vptq.feedback = flags.vq.feedback, vptq.seed = flags.vq.seed;
  return vptq;
}

Status check_vptq(const ConvertFlags& flags) {
  const VptqOptions& o = flags.vptq;
  const VptqOptions usual;
  const bool outliers = o.outlier_length != usual.outlier_length || o.outlier_bits != usual.outlier_bits;
  if (flags.weights != "vptq" && (outliers || o.outlier_percent != 0))
    return invalid_argument("--outliers, --outlier-length and --outlier-bits belong to --weights vptq");
  if (outliers && o.outlier_percent == 0)
    return invalid_argument("--outlier-length and --outlier-bits belong to --outliers");
  if (flags.weights == "vptq" && flags.codebooks > 2)
    return invalid_argument("--weights vptq has a main and a residual codebook: --codebooks 1 or 2");
  if (flags.weights == "vptq" && flags.kmeans_mode != "hessian")
    return invalid_argument("--kmeans-mode belongs to --weights vq");
  if (flags.calibration.path.empty() && (flags.vq.feedback || o.outlier_percent != 0)) {
    return invalid_argument("--feedback and --outliers need a text that tells what the layers read: give --calibrate");
  }
  return {};
}

Result<ConvertOptions> options_of(const ConvertFlags& flags) {
  ConvertOptions options;
  options.weights = choice_of(flags.weights);
  options.head = choice_of(flags.head);
  options.embed = choice_of(flags.embed);
  options.int_group = flags.group;
  options.ptqtp_group = flags.group.value_or(options.ptqtp_group);
  options.f32_activations = flags.activations == "f32";
  options.ptqtp = flags.ptqtp;
  if (flags.pack == "1.6") options.pack = TritPacking::five_in_a_byte;
  if (flags.pack == "2") options.pack = TritPacking::two_bits;
  const bool planes = options.weights == WeightChoice::ptqtp || options.head == WeightChoice::ptqtp ||
                      options.embed == WeightChoice::ptqtp;
  if (!planes && (flags.ptqtp.tied || flags.ptqtp.planes != PtqtpOptions().planes))
    return invalid_argument("--planes and --tied belong to --weights ptqtp");
  const bool vectors =
      options.weights == WeightChoice::vq || options.head == WeightChoice::vq || options.embed == WeightChoice::vq;
  const bool vptq = flags.weights == "vptq";
  options.vq = vq_options(flags);
  if (!vectors && !vptq && options.vq != VqOptions()) {
    return invalid_argument(
        "--length, --index-bits, --codebooks, --group-num, --kmeans-mode, --kmeans-seed and --feedback belong to "
        "--weights vq or vptq");
  }
  TERN_TRY(check_vptq(flags));
  if (!planes && !vectors && !vptq && !flags.calibration.path.empty())
    return invalid_argument("--calibrate belongs to --weights ptqtp, vq or vptq");
  for (WeightChoice* table : {&options.head, &options.embed}) {  // as beside other low-bit layers
    if (vptq && *table == WeightChoice::automatic) *table = WeightChoice::int8;
  }
  TERN_TRY(fairy2i_options(flags, options));
  return options;
}

Status stop_if_interrupted() { return interrupted() ? aborted("conversion stopped on request") : Status(); }

Status run_convert(const ConvertFlags& flags) {
  ignore_broken_pipe();
  const bool exists = std::filesystem::exists(std::filesystem::symlink_status(flags.output));
  if (exists && !flags.force) {
    return invalid_argument(fmt::format("{} exists already: give --force to replace it", flags.output));
  }
  const Timer timer;
  TERN_ASSIGN(ConvertOptions options, options_of(flags));
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
  const auto choices = CLI::IsMember(choice_names());
  verb->add_option("SRC", o->source, "folder with config.json and *.safetensors, or a llama2.c .bin file")->required();
  verb->add_option("-o,--output", o->output, "file to write")->required();
  verb->add_option("--weights", o->weights, "encoding of the linear layers; fairy2i:T has T stages, 1 to 4 (2)")
      ->check(CLI::IsMember(weight_names()))
      ->capture_default_str();
  verb->add_option("--head", o->head, "encoding of the head")->check(choices)->capture_default_str();
  verb->add_option("--embed", o->embed, "encoding of the embedding")->check(choices)->capture_default_str();
  verb->add_option("--group", o->group, "columns per scale (int4: 32, int6, int8: 64, ptqtp: 128)")
      ->check(CLI::Range(1u, 1u << 20));
  verb->add_option("--planes", o->ptqtp.planes, "ptqtp: trit planes")
      ->check(CLI::Range(1u, kMaxPtqtpPlanes))
      ->capture_default_str();
  verb->add_flag("--tied", o->ptqtp.tied, "ptqtp: two planes with scales 3:1");
  verb->add_option("--length", o->length, "vq, vptq: values of a vector")
      ->check(CLI::Range(2u, 32u))
      ->capture_default_str();
  verb->add_option("--index-bits", o->index_bits, "vq, vptq: bits of an index")
      ->check(CLI::Range(1u, kMaxVptqBits))
      ->capture_default_str();
  verb->add_option("--codebooks", o->codebooks, "vq, vptq: codebooks whose entries add up")
      ->check(CLI::Range(1u, kMaxVqPlanes))
      ->capture_default_str();
  verb->add_option("--group-num", o->vq.groups, "vq, vptq: groups of columns with codebooks of their own")
      ->check(CLI::Range(1u, 1u << 16))
      ->capture_default_str();
  verb->add_option("--kmeans-mode", o->kmeans_mode,
                   "vq: codebooks by k-means, vectors weighed by the Hessian's diagonal (where there is one) or alike; "
                   "none: evenly spaced levels, round to nearest")
      ->check(CLI::IsMember({"hessian", "plain", "none"}))
      ->capture_default_str();
  verb->add_option("--kmeans-seed", o->vq.seed, "vq, vptq: of k-means")->capture_default_str();
  verb->add_flag("--feedback", o->vq.feedback,
                 "vq, vptq: pass errors on to later columns, as GPTQ does; with --calibrate");
  verb->add_option(
          "--outliers", o->vptq.outlier_percent,
          "vptq: percent of the columns, those with most energy, that get vectors of their own; with --calibrate")
      ->check(CLI::Range(0u, 50u))
      ->capture_default_str();
  verb->add_option("--outlier-length", o->vptq.outlier_length, "vptq: values of their vectors")
      ->check(CLI::Range(2u, 32u))
      ->capture_default_str();
  verb->add_option("--outlier-bits", o->vptq.outlier_bits, "vptq: bits of their indices")
      ->check(CLI::Range(1u, kMaxVptqBits))
      ->capture_default_str();
  verb->add_option("--pack", o->pack, "bits of a trit: 2, or 1.6 (five in a byte); auto: 2")
      ->check(CLI::IsMember({"1.6", "2", "auto"}))
      ->capture_default_str();
  verb->add_option("--fairy2i-scales", o->fairy2i_scales,
                   "fairy2i: what shares a pair of scales: tensor, row, 64x64 tile")
      ->check(CLI::IsMember({"tensor", "row", "tile"}))
      ->capture_default_str();
  verb->add_flag("--fairy2i-joint", o->fairy2i.joint, "fairy2i: choose the codes of all stages together");
  verb->add_flag("--fairy2i-refit", o->fairy2i.refit,
                 "fairy2i: fit the scales by least squares, by turns with the codes");
  verb->add_option("--fairy2i-variant", o->fairy2i_variant,
                   "the checkpoint was trained as Fairy2i's complex_phase_v1..v4: quantize it as its authors do")
      ->check(CLI::IsMember({"v1", "v2", "v3", "v4"}));
  verb->add_option("--fairy2i-head", o->fairy2i_head, "with a variant: whether its head was quantized in training")
      ->check(CLI::IsMember({"quantized", "dense"}));
  add_calibration_flags(*verb, o->calibration);
  verb->add_option("--act", o->activations, "activation rounding to store: as the model was trained, or f32 (none)")
      ->check(CLI::IsMember({"auto", "f32"}))
      ->capture_default_str();
  verb->add_option(
      "--tokenizer", o->import.tokenizer_path,
      "tokenizer.model (SentencePiece, tiktoken), tokenizer.json, vocab.json (with merges.txt), llama2.c's "
      "tokenizer.bin, a folder of these, or none. Not given: the first of them that lies beside the "
      "checkpoint, tiktoken after tokenizer.json");
  verb->add_flag("--force", o->force, "replace an existing file");
  verb->add_flag("-q,--quiet", o->quiet, "one line for all tensors alike");
  verb->callback([o, &chosen] { chosen = [o] { return run_convert(*o); }; });
}

}  // namespace tern::app
