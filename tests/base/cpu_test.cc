#include "base/cpu.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <thread>

#include "base/cpu_detect.h"
#include "tests/base/scratch_directory.h"

using namespace tern;
using namespace tern::test;
using Catch::Matchers::Contains;

namespace {

constexpr uint32_t bit(int n) { return 1u << n; }

// Words of an invented CPU that has all, under an OS that saves all.
X86Words everything() {
  X86Words words;
  words.leaf1_ecx = bit(12) | bit(27) | bit(28) | bit(29);
  words.leaf7_ebx = bit(5) | bit(8) | bit(16) | bit(17) | bit(30) | bit(31);
  words.leaf7_ecx = bit(1) | bit(11);
  words.leaf7_1_eax = bit(4);
  words.xcr0 = 0xe7;
  return words;
}

// What sysfs has of one CPU. capacity 0: the kernel does not say.
void add_cpu(const ScratchDirectory& root, int cpu, const std::string& siblings, int capacity = 0) {
  const std::string directory = root / ("system/cpu/cpu" + std::to_string(cpu));
  std::filesystem::create_directories(directory + "/topology");
  write_file(directory + "/topology/thread_siblings_list", siblings + "\n");
  if (capacity != 0) write_file(directory + "/cpu_capacity", std::to_string(capacity) + "\n");
}

constexpr CpuFeatures kAvx512All = cpu_avx2 | cpu_avx_vnni | cpu_avx512 | cpu_avx512_vnni | cpu_avx512_vbmi;

}  // namespace

TEST_CASE("a CPU with everything has everything; the words are not all zero by default") {
  CHECK(features_of_x86(everything()) == kAvx512All);
  CHECK(features_of_x86({}) == 0);
}

TEST_CASE("AVX counts only if every bit of AVX2, FMA, F16C, BMI2 and the OS's part is there") {
  for (const int lost : {12, 27, 28, 29}) {
    X86Words words = everything();
    words.leaf1_ecx &= ~bit(lost);
    CHECK(features_of_x86(words) == 0);
  }
  for (const int lost : {5, 8}) {
    X86Words words = everything();
    words.leaf7_ebx &= ~bit(lost);
    CHECK(features_of_x86(words) == 0);
  }
  for (const uint64_t xcr0 : {0x00u, 0x01u, 0x03u, 0x05u, 0xe1u, 0xe3u}) {  // SSE or YMM state missing
    X86Words words = everything();
    words.xcr0 = xcr0;
    CHECK(features_of_x86(words) == 0);
  }
}

TEST_CASE("AVX-512 counts only with F, DQ, BW, VL and all three ZMM states") {
  constexpr CpuFeatures without = cpu_avx2 | cpu_avx_vnni;
  for (const int lost : {16, 17, 30, 31}) {
    X86Words words = everything();
    words.leaf7_ebx &= ~bit(lost);
    CHECK(features_of_x86(words) == without);
  }
  for (const uint64_t xcr0 : {0x07u, 0x27u, 0x67u, 0xa7u, 0xc7u}) {
    X86Words words = everything();
    words.xcr0 = xcr0;
    CHECK(features_of_x86(words) == without);
  }
}

TEST_CASE("the dot products and VBMI are told apart") {
  X86Words words = everything();
  words.leaf7_1_eax = 0;
  words.leaf7_ecx = bit(11);
  CHECK(features_of_x86(words) == (cpu_avx2 | cpu_avx512 | cpu_avx512_vnni));
  words.leaf7_ecx = bit(1);
  CHECK(features_of_x86(words) == (cpu_avx2 | cpu_avx512 | cpu_avx512_vbmi));
  words.leaf7_ecx = 0;
  CHECK(features_of_x86(words) == (cpu_avx2 | cpu_avx512));
}

TEST_CASE("Arm features come from their own hwcap bits") {
  CHECK(features_of_arm(0, ~0ull) == 0);
  CHECK(features_of_arm(1u << 1, 0) == cpu_neon);
  CHECK(features_of_arm(1u << 1 | 1u << 20, 0) == (cpu_neon | cpu_dotprod));
  CHECK(features_of_arm(1u << 1, 1u << 13) == (cpu_neon | cpu_i8mm));
  CHECK(features_of_arm(~0ull & ~(1ull << 20), ~0ull & ~(1ull << 13)) == cpu_neon);
}

TEST_CASE("quotas round down to whole cores, at least one") {
  CHECK(cores_of_quota(-1, 100000) == 0);
  CHECK(cores_of_quota(0, 100000) == 0);
  CHECK(cores_of_quota(100000, 0) == 0);
  CHECK(cores_of_quota(50000, 100000) == 1);
  CHECK(cores_of_quota(199999, 100000) == 1);
  CHECK(cores_of_quota(400000, 100000) == 4);
  CHECK(cores_of_cpu_max("max 100000") == 0);
  CHECK(cores_of_cpu_max("250000 100000") == 2);
  CHECK(cores_of_cpu_max("") == 0);
  CHECK(cores_of_cpu_max("250000") == 0);
  CHECK(cores_of_cpu_max("x y") == 0);
}

TEST_CASE("lists of CPUs") {
  CHECK(parse_cpu_list("0") == std::vector{0});
  CHECK(parse_cpu_list("0-3,8,10-11") == std::vector{0, 1, 2, 3, 8, 10, 11});
  for (const char* wrong : {"", "x", "3-1", "-1", "1-", "0,,1x", "0-99999999"}) CHECK(parse_cpu_list(wrong).empty());
}

TEST_CASE("an Intel hybrid: threads on the performance cores, which have two logical CPUs each") {
  ScratchDirectory root;  // 2 performance cores (0-3), 4 efficient ones (4-7)
  for (int cpu = 0; cpu < 8; ++cpu) add_cpu(root, cpu, cpu < 4 ? (cpu < 2 ? "0-1" : "2-3") : std::to_string(cpu));
  std::filesystem::create_directories(root / "cpu_atom");
  write_file(root / "cpu_atom/cpus", "4-7\n");
  const auto count = [&](const std::vector<int>& cpus) { return count_cores(read_topology(root.path(), cpus)); };
  CHECK(count({0, 1, 2, 3, 4, 5, 6, 7}).physical == 6);
  CHECK(count({0, 1, 2, 3, 4, 5, 6, 7}).fast == 2);
  CHECK(count({0, 4, 5}).fast == 1);  // an affinity mask with both kinds
  CHECK(count({4, 5, 6}).fast == 3);  // and with slow ones alone
  for (int cpu = 0; cpu < 8; ++cpu) add_cpu(root, cpu, std::to_string(cpu), cpu < 4 ? 1024 : 760);
  CHECK(count({0, 1, 2, 3, 4, 5, 6, 7}).fast == 4);  // whatever capacity it claims
}

TEST_CASE("big, middle and little cores of Arm by their capacity") {
  ScratchDirectory root;
  const int capacity[] = {250, 250, 250, 250, 780, 780, 780, 1024};
  for (int cpu = 0; cpu < 8; ++cpu) add_cpu(root, cpu, std::to_string(cpu), capacity[cpu]);
  const auto count = [&](const std::vector<int>& cpus) { return count_cores(read_topology(root.path(), cpus)); };
  CHECK(count({0, 1, 2, 3, 4, 5, 6, 7}).physical == 8);
  CHECK(count({0, 1, 2, 3, 4, 5, 6, 7}).fast == 4);
  CHECK(count({0, 1, 2, 3}).fast == 4);
  CHECK(count({0, 1, 2, 3, 4, 5, 6}).fast == 3);
}

TEST_CASE("a machine that says nothing has a fast core for each CPU; none at all counts as one") {
  ScratchDirectory root;
  CHECK(count_cores(read_topology(root.path(), {0, 1, 5})).physical == 3);
  CHECK(count_cores(read_topology(root.path(), {0, 1, 5})).fast == 3);
  CHECK(count_cores({}).physical == 1);
  CHECK(count_cores({}).fast == 1);
}

TEST_CASE("this machine reports something that holds together") {
  const CpuInfo cpu = detect_cpu();
  INFO(cpu.name << ": " << describe_features(cpu.features) << ", " << cpu.logical_cores << "/" << cpu.physical_cores);
  CHECK_FALSE(cpu.name.empty());
  CHECK(cpu.name.find_first_of("\n") == std::string::npos);
  CHECK(cpu.fast_cores >= 1);
  CHECK(cpu.physical_cores >= cpu.fast_cores);
  CHECK(cpu.logical_cores >= cpu.physical_cores);
  CHECK(cpu.logical_cores <= std::max(1u, std::thread::hardware_concurrency()));
#if defined(__x86_64__)
  CHECK((cpu.features & (cpu_neon | cpu_dotprod | cpu_i8mm)) == 0);
  CHECK(((cpu.features & cpu_avx2) != 0) ==
        (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")));
  CHECK(((cpu.features & cpu_avx512) != 0) ==
        (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")));
#elif defined(__aarch64__)
  CHECK((cpu.features & cpu_neon) != 0);
  CHECK((cpu.features & 0xff) == 0);
#endif
}

TEST_CASE("features are described by name") {
  CHECK(describe_features(cpu_avx2 | cpu_avx512 | cpu_avx512_vnni) == "avx2 avx512 avx512_vnni");
  CHECK(describe_features(cpu_neon | cpu_dotprod | cpu_i8mm) == "neon dotprod i8mm");
  CHECK(describe_features(cpu_avx_vnni | cpu_avx512_vbmi) == "avx_vnni avx512_vbmi");
  CHECK(describe_features(0) == "none");
}

TEST_CASE("a level lets through what it names") {
  CHECK(*cap_features(kAvx512All, "native") == kAvx512All);
  CHECK(*cap_features(kAvx512All, "scalar") == 0);
  CHECK(*cap_features(kAvx512All, "avx2") == cpu_avx2);
  CHECK(*cap_features(kAvx512All, "avxvnni") == (cpu_avx2 | cpu_avx_vnni));
  CHECK(*cap_features(kAvx512All, "avx512") == (cpu_avx2 | cpu_avx512));
  CHECK(*cap_features(kAvx512All, "avx512vnni") == kAvx512All);
  const CpuFeatures arm = cpu_neon | cpu_dotprod | cpu_i8mm;
  CHECK(*cap_features(arm, "neon") == cpu_neon);
  CHECK(*cap_features(arm, "dotprod") == (cpu_neon | cpu_dotprod));
  CHECK(*cap_features(arm, "i8mm") == arm);
  CHECK(*cap_features(0, "native") == 0);
  CHECK(*cap_features(0, "scalar") == 0);
}

TEST_CASE("a level never adds what the CPU lacks") {
  const CpuFeatures cascade_lake = cpu_avx2 | cpu_avx512 | cpu_avx512_vnni;
  CHECK(*cap_features(cascade_lake, "avx512vnni") == cascade_lake);
  for (const char* level : {"native", "scalar", "avx2", "avx512", "avx512vnni"}) {
    CHECK((*cap_features(cascade_lake, level) & ~cascade_lake) == 0);
  }
}

TEST_CASE("unknown and impossible levels name what is possible") {
  const Status unknown = cap_features(cpu_avx2, "avx3").status();
  CHECK(unknown.code() == Code::invalid_argument);
  CHECK(unknown.message() == "instruction set 'avx3' is unknown; this CPU runs: native, scalar, avx2");
  const Status impossible = cap_features(cpu_avx2, "avx512").status();
  CHECK(impossible.message() ==
        "instruction set 'avx512' needs what this CPU lacks; this CPU runs: native, scalar, avx2");
  for (const char* wrong : {"", "AVX2", "avx2 ", "nativ"}) CHECK_FALSE(cap_features(kAvx512All, wrong).ok());
  CHECK_FALSE(cap_features(cpu_neon, "avx2").ok());
  CHECK_FALSE(cap_features(cpu_neon, "i8mm").ok());
  CHECK_FALSE(cap_features(kAvx512All, "neon").ok());
}
