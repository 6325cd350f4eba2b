// Every linear kernel of the list that this CPU runs: name/rows/cols/tokens/threads. Counters: G weights/s (times
// tokens: multiply-accumulates) and GB/s of weight bytes. limits_bench.cc adds the machine's own limits to the run.
//   bench_kernels --benchmark_filter='trit2_a8|limit' --benchmark_enable_random_interleaving=true
//                 --benchmark_repetitions=15 --benchmark_report_aggregates_only=true
#include <benchmark/benchmark.h>
#include <omp.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "formats/encoding/values.h"
#include "kernels/dispatch/dispatch.h"

namespace tern {
namespace {

struct Free {
  void operator()(void* p) const { std::free(p); }
};
using Memory = std::unique_ptr<std::byte, Free>;

Memory allocate(size_t bytes) {
  const size_t size = (bytes + 4095) / 4096 * 4096 + 4096;
  Memory memory(static_cast<std::byte*>(std::aligned_alloc(4096, size)));
  if (!memory) std::abort();
  std::memset(memory.get(), 0, size);
  return memory;
}

struct Layer {
  Memory codes, scales, input, input_scales, input_sums;
  WeightView weight;
  InputView in;
};

void fill_weights(const LinearKernelEntry& kernel, uint64_t rows, uint64_t cols, Layer& l) {
  Encoding e;
  e.kind = kernel.encoding;
  e.bits = kernel.bits;
  e.value_type = kernel.value_type;
  if (e.kind != EncodingKind::dense) e.scope = ScaleScope::row;
  const Layout layout = layout_of(e, rows, cols).value();
  l.codes = allocate(layout.code_bytes);
  l.scales = allocate(layout.scale_bytes);
  Random random(1);
  if (e.kind == EncodingKind::dense) {
    const uint64_t count = layout.code_bytes / float_bytes(e.value_type);
    for (uint64_t i = 0; i < count; ++i) store_float(e.value_type, l.codes.get(), i, random.uniform());
  } else {
    for (uint64_t i = 0; i + 8 <= layout.code_bytes; i += 8) {
      uint64_t bytes = random.next();
      if (e.kind == EncodingKind::trit && e.bits == 2) bytes &= ~(bytes >> 1 & 0x5555555555555555u);  // no code 3
      std::memcpy(l.codes.get() + i, &bytes, 8);
    }
    for (uint64_t i = 0; i < layout.scale_count; ++i) store_float(e.scale_type, l.scales.get(), i, 1);
  }
  l.weight = {e, layout, rows, cols, l.codes.get(), l.scales.get()};
}

void fill_input(const LinearKernelEntry& kernel, uint64_t tokens, Layer& l) {
  const uint64_t cols = (l.weight.layout.padded_cols() + 63) / 64 * 64;
  l.input = allocate(tokens * cols * 4);
  l.input_scales = allocate(tokens * 4);
  l.input_sums = allocate(tokens * 4);
  l.in.tokens = tokens;
  Random random(2);
  if (kernel.input == LinearInput::f32) {
    float* x = reinterpret_cast<float*>(l.input.get());
    for (uint64_t m = 0; m < tokens; ++m)
      for (uint64_t i = 0; i < l.weight.cols; ++i) x[m * cols + i] = random.uniform();
    l.in.x = x;
    l.in.x_stride = cols;
    return;
  }
  int8_t* codes = reinterpret_cast<int8_t*>(l.input.get());
  for (uint64_t m = 0; m < tokens; ++m)
    for (uint64_t i = 0; i < l.weight.cols; ++i) codes[m * cols + i] = static_cast<int8_t>(random.below(255)) + 1;
  l.in.codes = codes;
  l.in.code_stride = cols;
  l.in.scales = reinterpret_cast<const float*>(l.input_scales.get());
  l.in.sums = reinterpret_cast<const int32_t*>(l.input_sums.get());
}

void run(benchmark::State& state, const LinearKernelEntry& kernel, uint64_t rows, uint64_t cols, uint64_t tokens,
         int threads) {
  Layer l;
  fill_weights(kernel, rows, cols, l);
  fill_input(kernel, tokens, l);
  std::vector<float> y(rows * tokens);
  std::vector<Memory> scratch;
  for (int t = 0; t < threads; ++t) scratch.push_back(allocate(kLinearScratchBytes));
  const uint64_t tiles = l.weight.layout.tiles;
  for (auto _ : state) {
#pragma omp parallel num_threads(threads)
    {
      const uint64_t t = static_cast<uint64_t>(omp_get_thread_num());
      const TileRange range = {tiles * t / threads, tiles * (t + 1) / threads};
      kernel.run(l.weight, l.in, {y.data(), rows}, range, scratch[t].get());
    }
    benchmark::ClobberMemory();
  }
  const double runs = static_cast<double>(state.iterations());
  using benchmark::Counter;
  state.counters["Gweights/s"] = Counter(1e-9 * runs * rows * cols * tokens, Counter::kIsRate);
  state.counters["GB/s"] = Counter(1e-9 * runs * l.weight.layout.code_bytes, Counter::kIsRate);
}

void add(const LinearKernelEntry& kernel, uint64_t rows, uint64_t cols, uint64_t tokens, int threads) {
  const std::string name = std::string(kernel.name) + "/rows:" + std::to_string(rows) +
                           "/cols:" + std::to_string(cols) + "/tokens:" + std::to_string(tokens) +
                           "/threads:" + std::to_string(threads);
  benchmark::RegisterBenchmark(
      name.c_str(), [=, &kernel](benchmark::State& state) { run(state, kernel, rows, cols, tokens, threads); })
      ->UseRealTime()
      ->Unit(benchmark::kMicrosecond);
}

// Rows so that the codes take about `megabytes`.
uint64_t rows_for(const LinearKernelEntry& kernel, uint64_t cols, double megabytes) {
  const bool five = kernel.encoding == EncodingKind::trit && kernel.bits == 1;
  const double bits = five ? 1.6 : kernel.bits ? kernel.bits : 8 * float_bytes(kernel.value_type);
  return static_cast<uint64_t>(megabytes * 1e6 * 8 / bits / cols) / 64 * 64 + 64;
}

void add_kernels() {
  const CpuFeatures features = detect_cpu().features;
  constexpr uint64_t cols = 2560;
  for (const LinearKernelEntry& kernel : linear_kernels()) {
    if ((kernel.needs & ~features) != 0) continue;
    const bool reference = kernel.family == KernelFamily::reference;
    add(kernel, rows_for(kernel, cols, 0.25), cols, 1, 1);  // in cache
    add(kernel, rows_for(kernel, cols, 0.25), cols, 128, 1);
    if (reference) continue;
    for (const int threads : {1, 2}) add(kernel, rows_for(kernel, cols, 128), cols, 1, threads);  // from DRAM
  }
}

}  // namespace
}  // namespace tern

int main(int argc, char** argv) {
  tern::add_kernels();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
