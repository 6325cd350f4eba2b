// Every linear kernel of the list that this CPU runs, and the machine's limits, under Google Benchmark:
// name/rows/cols/tokens/threads. Counters: G weights/s (times tokens: multiply-accumulates) and GB/s of weight bytes.
//   bench_kernels --benchmark_filter='trit2_a8|limit' --benchmark_enable_random_interleaving=true
//                 --benchmark_repetitions=15 --benchmark_report_aggregates_only=true
#include <benchmark/benchmark.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/random.h"
#include "bench/layer.h"
#include "bench/limits.h"

namespace tern::bench {
namespace {

using benchmark::Counter;

constexpr uint64_t kFootprint = uint64_t{128} << 20;

void run_kernel(benchmark::State& state, const LinearKernelEntry& kernel, const LayerShape& shape, unsigned threads) {
  Layer layer(kernel, shape, threads, shape.tokens == 1 ? kFootprint : 0);
  ThreadTeam team(threads);
  uint64_t round = 0;
  for (auto _ : state) {
    team.run([&](const ThreadTeam::Member& member) { layer.run(member, round); });
    ++round;
    benchmark::ClobberMemory();
  }
  const double runs = 1e-9 * static_cast<double>(state.iterations());
  state.counters["Gweights/s"] = Counter(runs * static_cast<double>(layer.weights() * shape.tokens), Counter::kIsRate);
  state.counters["GB/s"] = Counter(runs * static_cast<double>(layer.bytes()), Counter::kIsRate);
}

// A layer of a 1B, an 8B and a 70B model: the square one, and up and down of the feed-forward part.
constexpr uint64_t kShapes[][2] = {{2048, 2048},  {5632, 2048}, {2048, 5632},  {4096, 4096}, {14336, 4096},
                                   {4096, 14336}, {8192, 8192}, {28672, 8192}, {8192, 28672}};
constexpr uint64_t kBatches[] = {1, 8, 64, 512};

void add_kernels() {
  const CpuFeatures features = detect_cpu().features;
  for (const LinearKernelEntry& kernel : linear_kernels()) {
    if ((kernel.needs & ~features) != 0 || kernel.family == KernelFamily::reference) continue;
    for (const auto& [rows, cols] : kShapes) {
      for (const uint64_t tokens : kBatches) {
        for (const unsigned threads : {1u, 2u}) {
          const LayerShape shape{rows, cols, tokens};
          const std::string name = std::string(kernel.name) + "/rows:" + std::to_string(rows) +
                                   "/cols:" + std::to_string(cols) + "/tokens:" + std::to_string(tokens) +
                                   "/threads:" + std::to_string(threads);
          benchmark::RegisterBenchmark(
              name.c_str(), [=, &kernel](benchmark::State& state) { run_kernel(state, kernel, shape, threads); })
              ->UseRealTime()
              ->Unit(benchmark::kMicrosecond);
        }
      }
    }
  }
}

void limit_read(benchmark::State& state) {
  ThreadTeam team(static_cast<unsigned>(state.range(0)));
  ReadLimit limit(team);
  double sum = 0;
  for (auto _ : state) sum += limit.measure();
  state.counters["GB/s"] = 1e-9 * sum / static_cast<double>(state.iterations());
}
BENCHMARK(limit_read)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);

// Entries of 16 bytes (eight f16) by random index: what the caches give kernels that look vectors up, if these
// compute nothing. A line comes from the second cache for each entry that the first does not hold.
void limit_gather(benchmark::State& state) {
  using Entry [[gnu::vector_size(16)]] = uint64_t;
  constexpr uint64_t kIndices = 1u << 20, kSums = 8;
  const auto entries = static_cast<uint64_t>(state.range(0));
  std::vector<std::byte> book(entries * sizeof(Entry));
  std::vector<uint16_t> indices(kIndices);
  Random random(1);
  for (uint16_t& index : indices) index = static_cast<uint16_t>(random.below(entries));
  Entry sums[kSums] = {};
  for (auto _ : state) {
    for (uint64_t i = 0; i < kIndices; i += kSums) {
      for (uint64_t l = 0; l < kSums; ++l) {
        Entry entry;
        std::memcpy(&entry, book.data() + indices[i + l] * sizeof(Entry), sizeof entry);
        sums[l] ^= entry;
      }
    }
    benchmark::DoNotOptimize(sums);
  }
  const double runs = 1e-9 * static_cast<double>(state.iterations());
  state.counters["Gweights/s"] = Counter(runs * 8. * kIndices, Counter::kIsRate);
}
BENCHMARK(limit_gather)->Arg(256)->Arg(2048)->Arg(4096)->Arg(65536)->Unit(benchmark::kMillisecond);

void limit_peak(benchmark::State& state, LinearInput input) {
  ThreadTeam team(static_cast<unsigned>(state.range(0)));
  const Peak* peak = select_peak(input, detect_cpu().features);
  double sum = 0;
  for (auto _ : state) sum += measure_peak(team, peak);
  state.SetLabel(peak ? peak->instruction : "none");
  state.counters["Gmac/s"] = 1e-9 * sum / static_cast<double>(state.iterations());
}
BENCHMARK_CAPTURE(limit_peak, int8, LinearInput::int8)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(limit_peak, f32, LinearInput::f32)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tern::bench

int main(int argc, char** argv) {
  tern::bench::add_kernels();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
