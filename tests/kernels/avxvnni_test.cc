// The AVX-VNNI kernels on a CPU that has only AVX2: their one new instruction stands for its definition here, since no
// emulator of Debian 12 runs it. On a CPU that has it, linear_test.cc runs the kernels as they are.
#include <catch2/catch.hpp>
#include <cstring>
#include <string>

#include "tests/kernels/linear_case.h"

namespace tern {

void trit_avxvnni_by_definition(const WeightView&, const InputView&, const OutputView&, TileRange, std::byte*);
void trit5_avxvnni_by_definition(const WeightView&, const InputView&, const OutputView&, TileRange, std::byte*);
void phase_avxvnni_by_definition(const WeightView&, const InputView&, const OutputView&, TileRange, std::byte*);
void int4_avxvnni_by_definition(const WeightView&, const InputView&, const OutputView&, TileRange, std::byte*);
void int6_avxvnni_by_definition(const WeightView&, const InputView&, const OutputView&, TileRange, std::byte*);
void int8_avxvnni_by_definition(const WeightView&, const InputView&, const OutputView&, TileRange, std::byte*);

namespace {

void compare(const std::string& reference_name, LinearKernel kernel) {
  const LinearKernelEntry* reference = nullptr;
  for (const LinearKernelEntry& k : linear_kernels())
    if (k.name == reference_name) reference = &k;
  REQUIRE(reference != nullptr);
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    const LinearCase c = random_case(random, *reference);
    CAPTURE(reference_name, seed, c.text);
    const TileRange all{0, c.layout.tiles};
    const std::vector<float> expected = run_guarded(c, reference->run, all), found = run_guarded(c, kernel, all);
    REQUIRE(std::memcmp(found.data(), expected.data(), 4 * expected.size()) == 0);
  }
}

}  // namespace

TEST_CASE("AVX-VNNI kernels give the bits of the scalar reference, their instruction by definition") {
  if (!(detect_cpu().features & cpu_avx2)) {
    WARN("skipped: this CPU lacks AVX2");
    return;
  }
  compare("linear_trit2_a8_reference_scalar", trit_avxvnni_by_definition);
  compare("linear_trit5_a8_reference_scalar", trit5_avxvnni_by_definition);
  compare("linear_phase_a8_reference_scalar", phase_avxvnni_by_definition);
  compare("linear_int4_a8_reference_scalar", int4_avxvnni_by_definition);
  compare("linear_int6_a8_reference_scalar", int6_avxvnni_by_definition);
  compare("linear_int8_a8_reference_scalar", int8_avxvnni_by_definition);
}

}  // namespace tern
