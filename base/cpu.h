// What this CPU can run, as the operating system enables it (XSAVE state on x86, HWCAP on Arm).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tern {

// One bit a feature; a kernel names the set that it needs.
enum CpuFeature : uint32_t {
  cpu_avx2 = 1u << 0,      // AVX2, FMA, F16C, BMI2
  cpu_avx_vnni = 1u << 1,  // VEX-encoded dot products
  cpu_avx512 = 1u << 2,    // F, BW, DQ, VL (and all of cpu_avx2)
  cpu_avx512_vnni = 1u << 3,
  cpu_avx512_vbmi = 1u << 4,
  cpu_neon = 1u << 8,
  cpu_dotprod = 1u << 9,
  cpu_i8mm = 1u << 10,
};
using CpuFeatures = uint32_t;

struct CpuInfo {
  std::string name;  // as the CPU or the OS reports it
  CpuFeatures features = 0;
  unsigned logical_cores = 1;  // usable by this process (affinity, cgroup quota)
  unsigned physical_cores = 1;
  unsigned fast_cores = 1;  // physical ones without slow ones beside them: the default number of threads
};

CpuInfo detect_cpu();
std::string describe_features(CpuFeatures features);  // "avx2 avx512 avx512_vnni"

// Levels that --isa and TERN_ISA accept; each caps the features that dispatch may use.
// "native" (all), "scalar", "avx2", "avxvnni", "avx512", "avx512vnni", "neon", "dotprod", "i8mm".
// An unknown name, or a level that this CPU cannot run, is an error that lists the right ones.
Result<CpuFeatures> cap_features(CpuFeatures available, std::string_view isa);

}  // namespace tern
