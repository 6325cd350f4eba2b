#include "base/cpu.h"

#include <array>
#include <cstring>
#include <fstream>

#include "base/cpu_detect.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace tern {
namespace {

struct FeatureName {
  CpuFeatures bit;
  const char* name;
};
constexpr FeatureName kFeatureNames[] = {
    {cpu_avx2, "avx2"},
    {cpu_avx_vnni, "avx_vnni"},
    {cpu_avx512, "avx512"},
    {cpu_avx512_vnni, "avx512_vnni"},
    {cpu_avx512_vbmi, "avx512_vbmi"},
    {cpu_neon, "neon"},
    {cpu_dotprod, "dotprod"},
    {cpu_i8mm, "i8mm"},
};

struct Level {
  const char* name;
  CpuFeatures needs;   // the level is refused without these
  CpuFeatures allows;  // and lets these through
};
constexpr Level kLevels[] = {
    {"native", 0, ~CpuFeatures{0}},
    {"scalar", 0, 0},
    {"avx2", cpu_avx2, cpu_avx2},
    {"avxvnni", cpu_avx2 | cpu_avx_vnni, cpu_avx2 | cpu_avx_vnni},
    {"avx512", cpu_avx2 | cpu_avx512, cpu_avx2 | cpu_avx512},
    {"avx512vnni", cpu_avx2 | cpu_avx512 | cpu_avx512_vnni,
     cpu_avx2 | cpu_avx_vnni | cpu_avx512 | cpu_avx512_vnni | cpu_avx512_vbmi},
    {"neon", cpu_neon, cpu_neon},
    {"dotprod", cpu_neon | cpu_dotprod, cpu_neon | cpu_dotprod},
    {"i8mm", cpu_neon | cpu_dotprod | cpu_i8mm, cpu_neon | cpu_dotprod | cpu_i8mm},
};

constexpr uint64_t bit(int n) { return uint64_t{1} << n; }
constexpr bool has(uint64_t word, uint64_t bits) { return (word & bits) == bits; }

#if defined(__x86_64__)
__attribute__((target("xsave"))) uint64_t read_xcr0() { return _xgetbv(0); }

X86Words read_x86_words() {
  X86Words words;
  uint32_t eax, ebx, ecx, edx;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx)) words.leaf1_ecx = ecx;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) {
    words.leaf7_ebx = ebx;
    words.leaf7_ecx = ecx;
    if (eax >= 1 && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx)) words.leaf7_1_eax = eax;
  }
  if (has(words.leaf1_ecx, bit(27))) words.xcr0 = read_xcr0();
  return words;
}

std::string brand_string() {
  std::array<uint32_t, 12> words{};
  for (uint32_t i = 0; i < 3; ++i) {
    uint32_t* w = words.data() + 4 * i;
    if (!__get_cpuid(0x80000002u + i, w, w + 1, w + 2, w + 3)) return {};
  }
  const char* text = reinterpret_cast<const char*>(words.data());
  return std::string(text, ::strnlen(text, sizeof words));
}
#endif

// The first line "key : value" of /proc/cpuinfo.
std::string cpuinfo_value(std::string_view key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, key.size(), key) != 0) continue;
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return {};
}

std::string trimmed(std::string text) {
  const size_t first = text.find_first_not_of(' ');
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

std::string cpu_name() {
  std::string name;
#if defined(__x86_64__)
  name = trimmed(brand_string());
#endif
  if (name.empty()) name = trimmed(cpuinfo_value("model name"));
  if (name.empty()) name = trimmed(cpuinfo_value("Model"));  // single-board computers name the board
  if (name.empty() && !cpuinfo_value("CPU part").empty()) {
    name = "Arm implementer " + cpuinfo_value("CPU implementer") + " part " + cpuinfo_value("CPU part");
  }
  return name.empty() ? "unknown CPU" : name;
}

CpuFeatures detect_features() {
#if defined(__x86_64__)
  return features_of_x86(read_x86_words());
#elif defined(__aarch64__)
  return features_of_arm(::getauxval(AT_HWCAP), ::getauxval(AT_HWCAP2));
#else
  return 0;
#endif
}

}  // namespace

CpuFeatures features_of_x86(const X86Words& w) {
  constexpr uint64_t kOsxsave = bit(27), kAvx = bit(28), kFma = bit(12), kF16c = bit(29);  // leaf 1, ecx
  constexpr uint64_t kAvx2 = bit(5), kBmi2 = bit(8);                                       // leaf 7, ebx
  constexpr uint64_t kAvx512 = bit(16) | bit(17) | bit(30) | bit(31);                      // F, DQ, BW, VL
  constexpr uint64_t kVbmi = bit(1), kVnni = bit(11);                                      // leaf 7, ecx
  constexpr uint64_t kAvxVnni = bit(4);                                                    // leaf 7.1, eax
  constexpr uint64_t kYmmState = bit(1) | bit(2), kZmmState = bit(5) | bit(6) | bit(7);    // XCR0

  CpuFeatures features = 0;
  if (!has(w.leaf1_ecx, kOsxsave | kAvx | kFma | kF16c) || !has(w.xcr0, kYmmState)) return features;
  if (!has(w.leaf7_ebx, kAvx2 | kBmi2)) return features;
  features |= cpu_avx2;
  if (has(w.leaf7_1_eax, kAvxVnni)) features |= cpu_avx_vnni;
  if (!has(w.leaf7_ebx, kAvx512) || !has(w.xcr0, kZmmState)) return features;
  features |= cpu_avx512;
  if (has(w.leaf7_ecx, kVnni)) features |= cpu_avx512_vnni;
  if (has(w.leaf7_ecx, kVbmi)) features |= cpu_avx512_vbmi;
  return features;
}

CpuFeatures features_of_arm(uint64_t hwcap, uint64_t hwcap2) {
  constexpr uint64_t kAsimd = bit(1), kAsimdDotprod = bit(20), kI8mm = bit(13);  // the last in hwcap2
  CpuFeatures features = 0;
  if (!has(hwcap, kAsimd)) return features;
  features |= cpu_neon;
  if (has(hwcap, kAsimdDotprod)) features |= cpu_dotprod;
  if (has(hwcap2, kI8mm)) features |= cpu_i8mm;
  return features;
}

CpuInfo detect_cpu() {
  CpuInfo info;
  info.name = cpu_name();
  info.features = detect_features();
  info.logical_cores = count_logical_cores();
  const CoreCount cores = count_usable_cores();
  info.physical_cores = cores.physical, info.fast_cores = cores.fast;
  return info;
}

std::string describe_features(CpuFeatures features) {
  std::string text;
  for (const FeatureName& feature : kFeatureNames) {
    if (!has(features, feature.bit)) continue;
    if (!text.empty()) text += ' ';
    text += feature.name;
  }
  return text.empty() ? "none" : text;
}

Result<CpuFeatures> cap_features(CpuFeatures available, std::string_view isa) {
  bool known = false;
  std::string offered;
  for (const Level& level : kLevels) {
    const bool runs = has(available, level.needs);
    if (level.name == isa) {
      if (runs) return CpuFeatures{available & level.allows};
      known = true;
    }
    if (runs) offered += (offered.empty() ? "" : ", ") + std::string(level.name);
  }
  const std::string problem = known ? "' needs what this CPU lacks" : "' is unknown";
  return invalid_argument("instruction set '" + std::string(isa) + problem + "; this CPU runs: " + offered);
}

}  // namespace tern
