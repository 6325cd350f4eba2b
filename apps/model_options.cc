#include "apps/model_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "kernels/onednn/dense_onednn.h"

namespace tern::app {
namespace {

Result<std::optional<KernelFamily>> parse_family(const std::string& name) {
  if (name.empty()) return std::optional<KernelFamily>();
  for (const KernelFamily family : {KernelFamily::reference, KernelFamily::dot, KernelFamily::multiplication_free}) {
    if (name == family_name(family)) return std::optional<KernelFamily>(family);
  }
  return invalid_argument(
      fmt::format("kernel family '{}' is unknown, expected one of {}", name, fmt::join(kFamilies, ", ")));
}

Result<FloatType> parse_cache_type(const std::string& name) {
  if (name == "f16") return FloatType::f16;
  if (name == "f32") return FloatType::f32;
  return invalid_argument(fmt::format("cache type '{}' is unknown, expected f16 or f32", name));
}

}  // namespace

const char* family_name(KernelFamily family) { return kFamilies[static_cast<size_t>(family)]; }

std::string join(const std::vector<std::string>& words) { return fmt::format("{}", fmt::join(words, ", ")); }

void add_arithmetic_flags(CLI::App& verb, ModelOptions& options) {
  verb.add_option("--act", options.activations, "activation rounding: as the file says, or f32 (no rounding)")
      ->check(CLI::IsMember({"file", "f32"}))
      ->capture_default_str();
  verb.add_option(
          "--dense", options.dense,
          "prompts through dense float matrices by our kernels (canonical: the same bits everywhere) or by onednn, "
          "whose last bits differ")
      ->check(CLI::IsMember({"canonical", "onednn"}))
      ->capture_default_str();
  verb.add_option("--stages", options.stages, "run only the first so many stages of phase weights; 0: all")
      ->check(CLI::Range(0u, 4u))
      ->capture_default_str();
  verb.add_option("--ubatch-size", options.batch, "-ub: most tokens computed at once")
      ->check(CLI::Range(1u, 1u << 20))
      ->capture_default_str();
  verb.add_flag("--check-tensors", options.check_tensors, "verify hashes and values of all tensors at load");
  verb.add_flag(
      "--no-mmap", options.no_mmap,
      "read the model into memory of its own, in huge pages where the kernel grants them, instead of mapping it");
  verb.add_option_function<std::string>(
      "--n-gpu-layers",
      [](const std::string&) { fmt::print(stderr, "tern: warning: -ngl is ignored, tern runs on the CPU\n"); },
      "-ngl: accepted and ignored");
}

void add_model_flags(CLI::App& verb, ModelOptions& options) {
  verb.add_option("-m,--model", options.path, "model file (.tern)")->required();
  verb.add_option("-c,--ctx-size", options.context, "positions of context; 0: as many as the model has")
      ->capture_default_str();
  verb.add_option("-t,--threads", options.threads, "threads; 0: one per physical core, of fast and slow cores the fast")
      ->check(CLI::Range(0u, 4096u))
      ->capture_default_str();
  verb.add_option("--cache-type-k", options.key_type, "-ctk: cached keys as f16 or f32")
      ->check(CLI::IsMember({"f16", "f32"}))
      ->capture_default_str();
  verb.add_option("--cache-type-v", options.value_type, "-ctv: cached values as f16 or f32")
      ->check(CLI::IsMember({"f16", "f32"}))
      ->capture_default_str();
  verb.add_option("--isa", options.isa, "highest instruction set to use (tern cpu lists them)")
      ->envname("TERN_ISA")
      ->capture_default_str();
  verb.add_option("--family", options.family, "only kernels of this family: reference, dot or multiplication_free");
  add_arithmetic_flags(verb, options);
}

Result<std::shared_ptr<const Model>> load_model(const ModelOptions& options) {
  LoadOptions load;
  load.isa = options.isa;
  TERN_ASSIGN(load.family, parse_family(options.family));
  load.activations = options.activations == "f32" ? ActivationRounding::f32 : ActivationRounding::from_file;
  if (options.dense == "onednn") {
    if (onednn_kernel(FloatType::f32) == nullptr)
      return unsupported("--dense onednn: this build has no oneDNN (libdnnl-dev, then cmake -DTERN_ONEDNN=ON)");
    load.dense_batch = onednn_kernel;
  }
  load.stages = options.stages;
  load.check_tensors = options.check_tensors;
  load.access = options.no_mmap ? FileAccess::copy : FileAccess::map;
  TERN_ASSIGN(auto model, Model::load(options.path, load));
  for (const std::string& sentence : model->warnings()) fmt::print(stderr, "tern: warning: {}\n", sentence);
  return model;
}

Result<std::unique_ptr<Session>> make_session(std::shared_ptr<const Model> model, const ModelOptions& options,
                                              Profile* profile) {
  SessionOptions session;
  session.context = options.context;
  session.threads = options.threads;
  session.batch = options.batch;
  session.profile = profile;
  TERN_ASSIGN(session.key_type, parse_cache_type(options.key_type));
  TERN_ASSIGN(session.value_type, parse_cache_type(options.value_type));
  return Session::create(std::move(model), session);
}

}  // namespace tern::app
