#include "apps/convert_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "runtime/eval/quantize_kernels.h"

namespace tern::app {
namespace {

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

bool uses(const ConvertOptions& options, WeightChoice choice) {
  return options.weights == choice || options.head == choice || options.embed == choice;
}

PhaseRegion region_of(const ConvertFlags& flags) {
  const auto named = [&](const auto& region) { return flags.fairy2i_scales == region.first; };
  return std::find_if(std::begin(kRegions), std::end(kRegions), named)->second;
}

// The flags of fairy2i, where some matrix is to become that.
Status fairy2i_options(const ConvertFlags& flags, ConvertOptions& options) {
  const bool chosen = uses(options, WeightChoice::fairy2i);
  if (!chosen && (flags.fairy2i.joint || flags.fairy2i.refit))
    return invalid_argument("--fairy2i-joint and --fairy2i-refit belong to --weights fairy2i");
  if (!chosen && flags.fairy2i_variant.empty() && flags.fairy2i_scales != "tensor")
    return invalid_argument("--fairy2i-scales belongs to --weights fairy2i or --fairy2i-variant");
  if (options.weights == WeightChoice::fairy2i && !flags.fairy2i_variant.empty())
    return invalid_argument("--fairy2i-variant names a model trained so, which --weights fairy2i would quantize again");
  if (!flags.fairy2i_head.empty() && flags.fairy2i_variant.empty())
    return invalid_argument("--fairy2i-head belongs to --fairy2i-variant");
  options.fairy2i = flags.fairy2i;
  if (const size_t colon = flags.weights.find(':'); colon != std::string::npos)
    options.fairy2i.stages = static_cast<unsigned>(flags.weights[colon + 1] - '0');
  options.fairy2i_scales = region_of(flags);
  return {};
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

Status check_vector_flags(const ConvertFlags& flags) {
  const OutlierOptions& outliers = flags.vq.outliers;
  if (flags.weights != "vptq" && flags.int8_codebooks)
    return invalid_argument("--int8-codebooks belongs to --weights vptq");
  if (flags.weights != "vptq" && flags.weights != "vq" && outliers != OutlierOptions())
    return invalid_argument("--outliers, --outlier-length and --outlier-bits belong to --weights vq or vptq");
  if (outliers.percent == 0 && outliers != OutlierOptions())
    return invalid_argument("--outlier-length and --outlier-bits belong to --outliers");
  if (flags.weights == "vptq" && flags.codebooks > 2)
    return invalid_argument("--weights vptq has a main and a residual codebook: --codebooks 1 or 2");
  if (flags.weights == "vptq" && flags.kmeans_mode != "hessian")
    return invalid_argument("--kmeans-mode belongs to --weights vq");
  if (flags.calibration.path.empty() && (flags.vq.feedback || outliers.percent != 0)) {
    return invalid_argument("--feedback and --outliers need a text that tells what the layers read: give --calibrate");
  }
  return {};
}

void add_vector_flags(CLI::App& verb, ConvertFlags& o) {
  verb.add_option("--length", o.length, "vq, vptq: values of a vector")
      ->check(CLI::Range(2u, 32u))
      ->capture_default_str();
  verb.add_option("--index-bits", o.index_bits, "vq, vptq: bits of an index")
      ->check(CLI::Range(1u, kMaxVptqBits))
      ->capture_default_str();
  verb.add_option("--codebooks", o.codebooks, "vq, vptq: codebooks whose entries add up")
      ->check(CLI::Range(1u, kMaxVqPlanes))
      ->capture_default_str();
  verb.add_option("--group-num", o.vq.groups, "vq, vptq: groups of columns with codebooks of their own")
      ->check(CLI::Range(1u, 1u << 16))
      ->capture_default_str();
  verb.add_option("--kmeans-mode", o.kmeans_mode,
                  "vq: codebooks by k-means, vectors weighed by the Hessian's diagonal (where there is one) or alike; "
                  "none: evenly spaced levels, round to nearest")
      ->check(CLI::IsMember({"hessian", "plain", "none"}))
      ->capture_default_str();
  verb.add_option("--kmeans-seed", o.vq.seed, "vq, vptq: of k-means")->capture_default_str();
  verb.add_flag("--feedback", o.vq.feedback,
                "vq, vptq: pass errors on to later columns, as GPTQ does; with --calibrate");
  verb.add_option(
          "--outliers", o.vq.outliers.percent,
          "vq, vptq: percent of the columns, those with most energy, that get vectors of their own; with --calibrate")
      ->check(CLI::Range(0u, kMaxOutlierPercent))
      ->capture_default_str();
  verb.add_option("--outlier-length", o.vq.outliers.length, "vq, vptq: values of their vectors")
      ->check(CLI::Range(2u, 32u))
      ->capture_default_str();
  verb.add_flag("--int8-codebooks", o.int8_codebooks,
                "vptq: codebooks of int8 with a scale each, half the size of f16");
  verb.add_option("--outlier-bits", o.vq.outliers.bits, "vq, vptq: bits of their indices")
      ->check(CLI::Range(1u, kMaxOutlierBits))
      ->capture_default_str();
}

void add_fairy2i_flags(CLI::App& verb, ConvertFlags& o) {
  verb.add_option("--fairy2i-scales", o.fairy2i_scales,
                  "fairy2i, or a variant's training: what shares a pair of scales: tensor, row, 64x64 tile")
      ->check(CLI::IsMember({"tensor", "row", "tile"}))
      ->capture_default_str();
  verb.add_flag("--fairy2i-joint", o.fairy2i.joint, "fairy2i: choose the codes of all stages together");
  verb.add_flag("--fairy2i-refit", o.fairy2i.refit,
                "fairy2i: fit the scales by least squares, by turns with the codes");
  verb.add_option("--fairy2i-variant", o.fairy2i_variant,
                  "the checkpoint was trained as Fairy2i's complex_phase_v1..v4: quantize it as its authors do")
      ->check(CLI::IsMember({"v1", "v2", "v3", "v4"}));
  verb.add_option("--fairy2i-head", o.fairy2i_head, "with a variant: whether its head was quantized in training")
      ->check(CLI::IsMember({"quantized", "dense"}));
}

}  // namespace

ImportOptions import_options(const ConvertFlags& flags) {
  ImportOptions options = flags.import;
  if (!flags.fairy2i_variant.empty()) options.fairy2i_stages = static_cast<unsigned>(flags.fairy2i_variant[1] - '0');
  options.fairy2i_scales = region_of(flags);
  if (!flags.fairy2i_head.empty()) options.fairy2i_head = flags.fairy2i_head == "quantized";
  return options;
}

// What it shares with vq, and its own.
VptqOptions vptq_options(const ConvertFlags& flags) {
  VptqOptions vptq;
  vptq.length = flags.length, vptq.bits = flags.index_bits, vptq.residual = flags.codebooks == 2;
  vptq.groups = flags.vq.groups, vptq.feedback = flags.vq.feedback, vptq.seed = flags.vq.seed;
  vptq.outliers = flags.vq.outliers, vptq.int8_codebooks = flags.int8_codebooks, vptq.kernels = &quantize_kernels();
  return vptq;
}

Result<ConvertOptions> convert_options(const ConvertFlags& flags) {
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
  const bool planes = uses(options, WeightChoice::ptqtp);
  if (!planes && (flags.ptqtp.tied || flags.ptqtp.planes != PtqtpOptions().planes))
    return invalid_argument("--planes and --tied belong to --weights ptqtp");
  const bool vectors = uses(options, WeightChoice::vq);
  const bool vptq = flags.weights == "vptq";
  options.vq = vq_options(flags);
  TERN_TRY(check_vector_flags(flags));
  if (!vectors && !vptq && options.vq != VqOptions()) {
    return invalid_argument(
        "--length, --index-bits, --codebooks, --group-num, --kmeans-mode, --kmeans-seed and --feedback belong to "
        "--weights vq or vptq");
  }
  if (vptq && !vectors) options.vq = {};  // vptq_options has what is meant, and other limits
  options.vq.kernels = &quantize_kernels();
  if (!planes && !vectors && !vptq && !flags.calibration.path.empty())
    return invalid_argument("--calibrate belongs to --weights ptqtp, vq or vptq");
  for (WeightChoice* table : {&options.head, &options.embed}) {  // as beside other low-bit layers
    if (vptq && *table == WeightChoice::automatic) *table = WeightChoice::int8;
  }
  TERN_TRY(fairy2i_options(flags, options));
  return options;
}

void add_convert_flags(CLI::App& verb, ConvertFlags& o) {
  const auto choices = CLI::IsMember(choice_names());
  verb.add_option("SRC", o.source, "folder with config.json and *.safetensors, or a llama2.c .bin file")->required();
  verb.add_option("-o,--output", o.output, "file to write")->required();
  verb.add_option("--weights", o.weights, "encoding of the linear layers; fairy2i:T has T stages, 1 to 4 (2)")
      ->check(CLI::IsMember(weight_names()))
      ->capture_default_str();
  verb.add_option("--head", o.head, "encoding of the head")->check(choices)->capture_default_str();
  verb.add_option("--embed", o.embed, "encoding of the embedding")->check(choices)->capture_default_str();
  verb.add_option("--group", o.group, "columns per scale (int4: 32, int6, int8: 64, ptqtp: 128)")
      ->check(CLI::Range(1u, 1u << 20));
  verb.add_option("--planes", o.ptqtp.planes, "ptqtp: trit planes")
      ->check(CLI::Range(1u, kMaxPtqtpPlanes))
      ->capture_default_str();
  verb.add_flag("--tied", o.ptqtp.tied, "ptqtp: two planes with scales 3:1");
  add_vector_flags(verb, o);
  verb.add_option("--pack", o.pack, "bits of a trit: 2, or 1.6 (five in a byte); auto: 2")
      ->check(CLI::IsMember({"1.6", "2", "auto"}))
      ->capture_default_str();
  add_fairy2i_flags(verb, o);
  add_calibration_flags(verb, o.calibration);
  verb.add_option("--act", o.activations, "activation rounding to store: as the model was trained, or f32 (none)")
      ->check(CLI::IsMember({"auto", "f32"}))
      ->capture_default_str();
  verb.add_option("--tokenizer", o.import.tokenizer_path,
                  "tokenizer.model (SentencePiece, tiktoken), tokenizer.json, vocab.json (with merges.txt), llama2.c's "
                  "tokenizer.bin, a folder of these, or none. Not given: the first of them that lies beside the "
                  "checkpoint, tiktoken after tokenizer.json");
  verb.add_flag("--force", o.force, "replace an existing file");
  verb.add_flag("-q,--quiet", o.quiet, "one line for all tensors alike");
}

}  // namespace tern::app
