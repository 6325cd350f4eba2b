#include "kernels/limits/limits.h"

namespace tern {

#define TERN_PEAK(name, ...) uint64_t name(uint64_t rounds);
#include "kernels/limits/peaks.inc"
#undef TERN_PEAK

std::span<const Int8Peak> int8_peaks() {
#if defined(__x86_64__) || defined(__aarch64__)
  static constexpr Int8Peak kPeaks[] = {
#define TERN_PEAK(name, isa, instruction, needs) {#isa, instruction, needs, name},
#include "kernels/limits/peaks.inc"
#undef TERN_PEAK
  };
  return kPeaks;
#else
  return {};
#endif
}

const Int8Peak* select_int8_peak(CpuFeatures features) {
  for (const Int8Peak& peak : int8_peaks()) {
    if ((peak.needs & ~features) == 0) return &peak;
  }
  return nullptr;
}

}  // namespace tern
