// What tests of element kernels share: random vectors, guarded buffers, the tables that this CPU runs.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <vector>

#include "base/random.h"
#include "kernels/dispatch/dispatch.h"

namespace tern {

constexpr uint8_t kGuard = 0xa5;

// A buffer of n values with guard bytes behind it, at an odd alignment when `shift` is 1.
template <class T>
struct Guarded {
  std::vector<uint8_t> bytes;
  size_t n, shift;
  explicit Guarded(size_t n, size_t shift = 0) : bytes((n + shift) * sizeof(T) + 64, kGuard), n(n), shift(shift) {}
  T* data() { return reinterpret_cast<T*>(bytes.data()) + shift; }
  bool intact() const {
    for (size_t i = (n + shift) * sizeof(T); i < bytes.size(); ++i) {
      if (bytes[i] != kGuard) return false;
    }
    for (size_t i = 0; i < shift * sizeof(T); ++i) {
      if (bytes[i] != kGuard) return false;
    }
    return true;
  }
};

enum class Values { normal, extreme };

inline float draw(Random& random, Values kind) {
  static const float extremes[] = {0.f,    -0.f,    1e-45f, -1e-40f, 1.17549435e-38f, 3.4e38f, -3.4e38f,
                                   1e-20f, 65504.f, -1e20f, 88.8f,   -87.4f,          0.5f,    1.5f};
  if (kind == Values::extreme && random.below(3) == 0) return extremes[random.below(std::size(extremes))];
  return random.normal();
}

inline std::vector<float> draw_many(Random& random, size_t n, Values kind) {
  std::vector<float> x(n);
  for (float& v : x) v = draw(random, kind);
  return x;
}

// Equal bits; any NaN equals any NaN (their payloads are the hardware's own business).
inline bool same(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) || (a != a && b != b);
}

inline bool same(const float* a, const float* b, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    if (!same(a[i], b[i])) return false;
  }
  return true;
}

inline std::vector<const ElementKernels*> tables() {
  std::vector<const ElementKernels*> usable;
  const CpuFeatures features = detect_cpu().features;
  for (const ElementKernels& t : element_kernels()) {
    if ((t.needs & ~features) == 0) usable.push_back(&t);
  }
  return usable;
}

inline const ElementKernels& scalar() { return element_kernels().back(); }

}  // namespace tern
