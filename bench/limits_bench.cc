// The machine's own limits, to be read beside the kernels of the same run: how fast memory can be read (several
// loops; take the best) and how many int8 multiply-accumulates one core makes.
#include <benchmark/benchmark.h>
#include <omp.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

using Vector [[gnu::vector_size(64), gnu::may_alias]] = uint64_t;

// Reads `bytes` in `streams` parallel streams, asking `ahead` bytes on where that is not zero.
template <int streams, int ahead>
uint64_t read_streams(const std::byte* p, size_t bytes) {
  const size_t part = bytes / streams / 256 * 256;
  Vector sum[4] = {};
  for (size_t i = 0; i < part; i += 256) {
    for (int s = 0; s < streams; ++s) {
      const std::byte* at = p + s * part + i;
      for (int k = 0; k < 4; ++k) {
        if (ahead) __builtin_prefetch(at + 64 * k + ahead);
        sum[k] ^= *reinterpret_cast<const Vector*>(at + 64 * k);
      }
    }
  }
  const Vector all = sum[0] ^ sum[1] ^ sum[2] ^ sum[3];
  return all[0] ^ all[7];
}

constexpr size_t kReadBytes = size_t{1} << 30;

// One buffer for all loops, kept to the end.
const std::byte* read_buffer() {
  static const std::byte* memory = [] {
    void* p = std::aligned_alloc(4096, kReadBytes + 4096);
    if (!p) std::abort();
    return static_cast<const std::byte*>(std::memset(p, 1, kReadBytes + 4096));
  }();
  return memory;
}

template <int streams, int ahead>
void limit_read(benchmark::State& state) {
  const size_t bytes = kReadBytes;
  const int threads = static_cast<int>(state.range(0));
  const std::byte* memory = read_buffer();
  for (auto _ : state) {
#pragma omp parallel num_threads(threads)
    {
      const size_t share = bytes / threads;
      benchmark::DoNotOptimize(read_streams<streams, ahead>(memory + share * omp_get_thread_num(), share));
    }
  }
  state.counters["GB/s"] =
      benchmark::Counter(1e-9 * bytes * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

BENCHMARK(limit_read<1, 0>)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(limit_read<2, 0>)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(limit_read<4, 0>)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(limit_read<1, 2048>)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(limit_read<4, 2048>)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);

#if defined(__AVX512VNNI__)
struct Multiply {
  static constexpr const char* name = "vpdpbusd zmm";
  static constexpr int macs = 64;
  using Sum = __m512i;
  static Sum step(Sum s, Sum x) { return _mm512_dpbusd_epi32(s, x, x); }
  static Sum set(int i) { return _mm512_set1_epi8(static_cast<char>(i)); }
};
#elif defined(__AVX2__)
struct Multiply {
  static constexpr const char* name = "vpmaddubsw + vpaddw ymm";
  static constexpr int macs = 32;
  using Sum = __m256i;
  static Sum step(Sum s, Sum x) { return _mm256_add_epi16(s, _mm256_maddubs_epi16(s, x)); }
  static Sum set(int i) { return _mm256_set1_epi8(static_cast<char>(i)); }
};
#endif

#if defined(__AVX2__)
// Twelve independent chains hide the latency.
void limit_int8_macs(benchmark::State& state) {
  Multiply::Sum sum[12], x = Multiply::set(1);
  for (int i = 0; i < 12; ++i) sum[i] = Multiply::set(i);
  constexpr int repeats = 1000;
  for (auto _ : state) {
    for (int r = 0; r < repeats; ++r) {
#pragma GCC unroll 12
      for (auto& s : sum) s = Multiply::step(s, x);
      asm volatile("" : "+x"(x));
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetLabel(Multiply::name);
  state.counters["Gmac/s"] = benchmark::Counter(
      1e-9 * Multiply::macs * 12 * repeats * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}
BENCHMARK(limit_int8_macs);
#endif

}  // namespace
