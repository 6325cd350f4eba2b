// tern cpu: what this machine can run, and what dispatch would run on it.
#include <fmt/format.h>

#include <memory>
#include <set>
#include <tuple>

#include "apps/command.h"
#include "apps/model_options.h"
#include "apps/table.h"
#include "base/cpu.h"
#include "runtime/model/model.h"  // brings the declarations of dispatch

namespace tern::app {
namespace {

constexpr const char* kLevels[] = {"native",     "scalar", "avx2",    "avxvnni", "avx512",
                                   "avx512vnni", "neon",   "dotprod", "i8mm"};

std::vector<std::string> usable_levels(CpuFeatures features) {
  std::vector<std::string> levels;
  for (const char* level : kLevels) {
    if (cap_features(features, level).ok()) levels.emplace_back(level);
  }
  return levels;
}

// The smallest encoding that a kernel's entry stands for; dispatch looks at nothing else.
Encoding encoding_of(const LinearKernelEntry& entry) {
  Encoding encoding;
  encoding.kind = entry.encoding;
  encoding.bits = entry.bits;
  encoding.value_type = entry.value_type;
  encoding.scope = entry.encoding == EncodingKind::dense ? ScaleScope::none : ScaleScope::row;
  return encoding;
}

std::string reason(const LinearKernelEntry& entry, CpuFeatures allowed, CpuFeatures present) {
  if (const CpuFeatures missing = entry.needs & ~present)
    return fmt::format("this CPU lacks {}", describe_features(missing));
  if (const CpuFeatures capped = entry.needs & ~allowed)
    return fmt::format("--isa excludes {}", describe_features(capped));
  if (!agrees_with_reference(entry)) return "failed its self-check";
  return "a better one comes first";
}

void show_kernels(CpuFeatures allowed, CpuFeatures present) {
  using Key = std::tuple<EncodingKind, uint8_t, FloatType, LinearInput>;
  std::set<Key> seen;
  for (const LinearKernelEntry& first : linear_kernels()) {
    const auto key_of = [](const LinearKernelEntry& e) {
      return Key{e.encoding, e.bits, e.encoding == EncodingKind::dense ? e.value_type : FloatType::f32, e.input};
    };
    if (!seen.insert(key_of(first)).second) continue;
    const LinearKernelEntry* chosen =
        select_linear(encoding_of(first), first.input, allowed, std::nullopt,
                      [](const LinearKernelEntry& kernel) { return agrees_with_reference(kernel); });
    if (chosen && !family_rule(*chosen).empty()) fmt::print("  {}\n", family_rule(*chosen));
    for (const LinearKernelEntry& entry : linear_kernels()) {
      if (key_of(entry) != key_of(first)) continue;
      if (&entry == chosen)
        fmt::print("  {:<44} in use\n", entry.name);
      else
        fmt::print("  {:<44} not used: {}\n", entry.name, reason(entry, allowed, present));
    }
  }
  const auto show_elements = [](const ElementKernels& table, const char* verdict) {
    fmt::print("  {:<44} {}\n", fmt::format("elements ({})", table.isa), verdict);
  };
  const ElementKernels& elements = select_elements(allowed, [&](const ElementKernels& table) {
    const bool works = agrees_with_reference(table);
    if (!works) show_elements(table, "not used: failed its self-check");
    return works;
  });
  show_elements(elements, "in use");
}

Status show_cpu(const std::string& isa) {
  const CpuInfo cpu = detect_cpu();
  TERN_ASSIGN(const CpuFeatures allowed, cap_features(cpu.features, isa));
  const std::string features = describe_features(cpu.features);
  fmt::print("cpu: {}\nfeatures: {}\n", cpu.name, features.empty() ? "none that tern uses" : features);
  fmt::print("cores: {} physical, {} logical\nthreads without --threads: {}{}\n", cpu.physical_cores, cpu.logical_cores,
             cpu.fast_cores, cpu.fast_cores < cpu.physical_cores ? ", one per fast core" : ", one per physical core");
  fmt::print("levels for --isa: {}\nkernels with --isa {}:\n", join(usable_levels(cpu.features)), isa);
  show_kernels(allowed, cpu.features);
  return {};
}

}  // namespace

void add_cpu(CLI::App& root, Action& chosen) {
  const auto isa = std::make_shared<std::string>("native");
  CLI::App* verb = root.add_subcommand("cpu", "show what this CPU can run and which kernels would be used");
  verb->add_option("--isa", *isa, "as if this were the highest instruction set")
      ->envname("TERN_ISA")
      ->capture_default_str();
  verb->callback([isa, &chosen] { chosen = [isa] { return show_cpu(*isa); }; });
}

}  // namespace tern::app
