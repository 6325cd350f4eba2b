// The pure parts of CPU detection: functions of raw inputs, so that tests can feed machines that they lack.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/cpu.h"

namespace tern {

// What CPUID and XGETBV return on x86; leaves that the CPU lacks are zero.
struct X86Words {
  uint32_t leaf1_ecx = 0;
  uint32_t leaf7_ebx = 0, leaf7_ecx = 0;
  uint32_t leaf7_1_eax = 0;
  uint64_t xcr0 = 0;  // register states that the OS saves; read only if leaf 1 says OSXSAVE
};
CpuFeatures features_of_x86(const X86Words& words);

// AT_HWCAP and AT_HWCAP2 of Linux on AArch64.
CpuFeatures features_of_arm(uint64_t hwcap, uint64_t hwcap2);

// Whole cores that a cgroup quota allows, at least 1; 0: no limit. Rounded down: the barrier of a team
// with more threads than running cores waits for the one that is throttled.
unsigned cores_of_quota(int64_t quota_us, int64_t period_us);
unsigned cores_of_cpu_max(std::string_view cpu_max);  // cgroup v2 "max 100000" or "150000 100000"

unsigned count_logical_cores();   // affinity mask and cgroup quotas
unsigned count_physical_cores();  // distinct cores behind the affinity mask, at most the logical ones

}  // namespace tern
