// The pure parts of CPU detection: functions of raw inputs, so that tests can feed machines that they lack.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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

// What Linux says of a logical CPU below `root` (/sys/devices): system/cpu/cpuN/topology/thread_siblings_list and
// cpu_capacity beside it; on Intel's hybrids cpu_atom/cpus lists the slow ones, which count half.
inline constexpr unsigned kBestCapacity = 1024;
struct LogicalCpu {
  std::string core;  // the same text for those that share a core
  unsigned capacity = kBestCapacity;
};
std::vector<LogicalCpu> read_topology(const std::string& root, const std::vector<int>& cpus);
std::vector<int> parse_cpu_list(std::string_view list);  // "0-3,8"; what is no such list gives none

// Distinct cores; fast: those of at least two thirds of the best one's capacity. Shares of attention and norms are
// equal, so a team that includes slow cores waits for them, and the fast ones read as much memory as there is.
struct CoreCount {
  unsigned physical = 1, fast = 1;
};
CoreCount count_cores(const std::vector<LogicalCpu>& cpus);

unsigned count_logical_cores();  // affinity mask and cgroup quotas
CoreCount count_usable_cores();  // behind the affinity mask, at most the logical ones

}  // namespace tern
