#include "kernels/limits/limits.h"

namespace tern {

#define TERN_PEAK(name, ...) uint64_t name(uint64_t rounds);
#include "kernels/limits/peaks.inc"
#undef TERN_PEAK

std::span<const Peak> peaks() {
#if defined(__x86_64__) || defined(__aarch64__)
  static constexpr Peak kPeaks[] = {
#define TERN_PEAK(name, isa, input, instruction, needs) {#isa, LinearInput::input, instruction, needs, name},
#include "kernels/limits/peaks.inc"
#undef TERN_PEAK
  };
  return kPeaks;
#else
  return {};
#endif
}

const Peak* select_peak(LinearInput input, CpuFeatures features) {
  for (const Peak& peak : peaks()) {
    if (peak.input == input && (peak.needs & ~features) == 0) return &peak;
  }
  return nullptr;
}

}  // namespace tern
