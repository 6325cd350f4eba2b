// oneDNN's sums against those of the scalar reference, within what another order of additions may change.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>

#include "base/thread_team.h"
#include "formats/encoding/dense.h"
#include "kernels/onednn/dense_onednn.h"
#include "tests/kernels/linear_case.h"

namespace tern {
namespace {

constexpr float kRounding = 0x1p-24f;

// Sum of |w x| of one output.
double magnitude(const LinearCase& c, uint64_t row, uint64_t m) {
  std::vector<float> w(c.cols);
  unpack_dense_row(c.encoding.value_type, c.cols, c.weight.codes + row / kTileRows * c.layout.tile_bytes,
                   row % kTileRows, w.data());
  double sum = 0;
  for (uint64_t i = 0; i < c.cols; ++i)
    sum += std::abs(static_cast<double>(w[i]) * c.input.x[m * c.input.x_stride + i]);
  return sum;
}

void compare(FloatType type, uint64_t rows, uint64_t cols, uint64_t tokens, TileRange range) {
  Encoding encoding;
  encoding.kind = EncodingKind::dense, encoding.value_type = type, encoding.scope = ScaleScope::none;
  Random random(rows + cols);
  const LinearCase c = make_case(random, encoding, LinearInput::f32, rows, cols, tokens, false, Values::ordinary);
  const LinearKernelEntry* reference = select_linear(encoding, LinearInput::f32, 0);
  const auto expected = run_guarded(c, reference->run, range), found = run_guarded(c, onednn_kernel(type)->run, range);
  REQUIRE(found.size() == expected.size());
  const uint64_t stride = found.size() / tokens;
  const uint64_t end = std::min(range.end * kTileRows, rows);
  for (uint64_t m = 0; m < tokens; ++m) {
    for (uint64_t row = range.begin * kTileRows; row < end; ++row) {
      const float f = found[m * stride + row], e = expected[m * stride + row];
      INFO(rows << "x" << cols << ", row " << row << ", token " << m << ": " << f << ", expected " << e);
      REQUIRE(std::abs(f - e) <= 64 * kRounding * magnitude(c, row, m));
    }
  }
}

size_t threads_of_process() {
  size_t count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) count += task.is_directory();
  return count;
}

}  // namespace

TEST_CASE("the dense kernels of oneDNN give the sums of the reference, and write no more") {
  if (onednn_kernel(FloatType::f32) == nullptr) {
    WARN("skipped: this build has no oneDNN");
    return;
  }
  for (const FloatType type : {FloatType::f32, FloatType::f16, FloatType::bf16}) {
    CHECK(onednn_kernel(type)->value_type == type);
    compare(type, 16, 8, 1, {0, 1});
    compare(type, 37, 100, 19, {0, 3});   // a ragged last tile
    compare(type, 400, 64, 16, {1, 24});  // more tiles than are unpacked at once, from the second on
    compare(type, 33, 2500, 17, {0, 3});  // more columns than that
    ThreadTeam(1).run([&](const ThreadTeam::Member&) { compare(type, 400, 600, 130, {0, 25}); });
  }
  CHECK(threads_of_process() == 1);  // the caller's own, also where OpenMP would give more
}

}  // namespace tern
