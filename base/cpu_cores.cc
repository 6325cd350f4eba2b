// How many cores this process may use: affinity mask, cgroup quotas, topology of the machine.
#include <sched.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/cpu_detect.h"

namespace tern {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

int64_t to_int(std::string_view text, int64_t otherwise) {
  int64_t value = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::vector<int> cores_of_affinity() {
  for (int cpus = 1024; cpus <= 1 << 20; cpus *= 4) {  // the call fails while the set is smaller than the kernel's
    cpu_set_t* set = CPU_ALLOC(cpus);
    if (set == nullptr) break;
    const size_t bytes = CPU_ALLOC_SIZE(cpus);
    CPU_ZERO_S(bytes, set);
    std::vector<int> found;
    if (::sched_getaffinity(0, bytes, set) == 0) {
      for (int cpu = 0; cpu < cpus; ++cpu) {
        if (CPU_ISSET_S(cpu, bytes, set)) found.push_back(cpu);
      }
    }
    CPU_FREE(set);
    if (!found.empty()) return found;
  }
  return {};
}

unsigned tighter(unsigned a, unsigned b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

// The tightest quota of a group and the groups around it. Inside a container the path may be
// the host's: then only the root, which is the container's own group, is found.
unsigned quota_of_group(const std::string& mount, std::string path, bool v2) {
  unsigned limit = 0;
  while (true) {
    const std::string group = mount + path;
    limit = tighter(limit, v2 ? cores_of_cpu_max(first_line(group + "/cpu.max"))
                              : cores_of_quota(to_int(first_line(group + "/cpu.cfs_quota_us"), -1),
                                               to_int(first_line(group + "/cpu.cfs_period_us"), 0)));
    if (path.empty()) return limit;
    path.erase(path.find_last_of('/'));
  }
}

bool lists_cpu(const std::string& controllers) {
  std::istringstream names(controllers);
  for (std::string name; std::getline(names, name, ',');) {
    if (name == "cpu") return true;
  }
  return false;
}

// Lines of /proc/self/cgroup: "0::/path" (v2), "4:cpu,cpuacct:/path" (v1).
unsigned quota_of_process() {
  unsigned limit = 0;
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t a = line.find(':'), b = line.find(':', a + 1);
    if (a == std::string::npos || b == std::string::npos) continue;
    std::string controllers = line.substr(a + 1, b - a - 1), path = line.substr(b + 1);
    if (path.empty() || path[0] != '/') path.clear();
    while (!path.empty() && path.back() == '/') path.pop_back();
    if (controllers.empty()) {
      limit = tighter(limit, quota_of_group("/sys/fs/cgroup", path, true));
    } else if (lists_cpu(controllers)) {
      limit = tighter(limit, quota_of_group("/sys/fs/cgroup/cpu", path, false));
    }
  }
  return limit;
}

}  // namespace

unsigned cores_of_quota(int64_t quota_us, int64_t period_us) {
  if (quota_us <= 0 || period_us <= 0) return 0;
  return static_cast<unsigned>(std::clamp<int64_t>(quota_us / period_us, 1, 1 << 20));
}

unsigned cores_of_cpu_max(std::string_view cpu_max) {
  const size_t space = cpu_max.find(' ');
  if (space == std::string_view::npos) return 0;
  return cores_of_quota(to_int(cpu_max.substr(0, space), -1), to_int(cpu_max.substr(space + 1), 0));
}

unsigned count_logical_cores() {
  unsigned cores = static_cast<unsigned>(cores_of_affinity().size());
  if (cores == 0) cores = std::max(1u, std::thread::hardware_concurrency());
  return tighter(cores, quota_of_process());
}

std::vector<int> parse_cpu_list(std::string_view list) {
  std::vector<int> cpus;
  while (!list.empty()) {
    const std::string_view range = list.substr(0, list.find(','));
    list.remove_prefix(std::min(range.size() + 1, list.size()));
    const size_t dash = range.find('-');
    const int64_t first = to_int(range.substr(0, dash), -1);
    const int64_t last = dash == std::string_view::npos ? first : to_int(range.substr(dash + 1), -1);
    if (first < 0 || last < first || last >= 1 << 20) return {};
    for (int64_t cpu = first; cpu <= last; ++cpu) cpus.push_back(static_cast<int>(cpu));
  }
  return cpus;
}

std::vector<LogicalCpu> read_topology(const std::string& root, const std::vector<int>& cpus) {
  const std::vector<int> efficient = parse_cpu_list(first_line(root + "/cpu_atom/cpus"));
  std::vector<LogicalCpu> found;
  for (const int cpu : cpus) {
    const std::string id = std::to_string(cpu), directory = root + "/system/cpu/cpu" + id;
    const std::string siblings = first_line(directory + "/topology/thread_siblings_list");
    const bool slow = std::find(efficient.begin(), efficient.end(), cpu) != efficient.end();
    const int64_t capacity = to_int(first_line(directory + "/cpu_capacity"), kBestCapacity);
    const int64_t most = slow ? kBestCapacity / 2 : kBestCapacity;
    found.push_back(
        {siblings.empty() ? "cpu " + id : siblings, static_cast<unsigned>(std::clamp<int64_t>(capacity, 1, most))});
  }
  return found;
}

CoreCount count_cores(const std::vector<LogicalCpu>& cpus) {
  unsigned best = 0;
  for (const LogicalCpu& cpu : cpus) best = std::max(best, cpu.capacity);
  std::set<std::string> cores, fast;
  for (const LogicalCpu& cpu : cpus) {
    cores.insert(cpu.core);
    if (3 * cpu.capacity >= 2 * best) fast.insert(cpu.core);
  }
  return {std::max(1u, static_cast<unsigned>(cores.size())), std::max(1u, static_cast<unsigned>(fast.size()))};
}

CoreCount count_usable_cores() {
  const CoreCount count = count_cores(read_topology("/sys/devices", cores_of_affinity()));
  const unsigned logical = count_logical_cores();
  return {std::min(count.physical, logical), std::min(count.fast, logical)};
}

}  // namespace tern
