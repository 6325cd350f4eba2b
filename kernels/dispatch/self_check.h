// Does a kernel give the right bits on this CPU? Features may be misdetected, compilers and CPUs have defects; the
// bits of the scalar code stand for what is right. What the programs ask is agrees_with_reference (dispatch.h).
#pragma once

#include <bit>
#include <cstddef>
#include <memory>
#include <new>

#include "base/random.h"
#include "kernels/dispatch/dispatch.h"

namespace tern {

// Compares both on small layers made for the purpose. They cover every size of register block, a ragged last tile, a
// range that begins behind the first tile, groups with a short last one, several planes, every scope and type of
// scales, and sums as large as narrow accumulators must bear; outputs have a margin that must stay as it was.
// REQUIRES that both serve the same encoding and input, and that this CPU runs them. Throws std::bad_alloc.
bool same_bits(const LinearKernelEntry& kernel, const LinearKernelEntry& reference);

// Every function of the table, on sizes around the lane count.
bool same_bits(const ElementKernels& kernels, const ElementKernels& reference);

namespace self_check {

struct FreeLines {
  void operator()(std::byte* p) const { ::operator delete(p, std::align_val_t{kBlockBytes}); }
};

// Uninitialised memory on a cache line, as kernels ask for.
template <class T>
class Lines {
 public:
  Lines() = default;
  explicit Lines(size_t n)
      : bytes_(static_cast<std::byte*>(::operator new(n * sizeof(T), std::align_val_t{kBlockBytes}))) {}
  T* data() const { return reinterpret_cast<T*>(bytes_.get()); }

 private:
  std::unique_ptr<std::byte, FreeLines> bytes_;
};

// Full mantissas, so that a product which is rounded where it should not be shows; sizes from 2^-8 to 2^3, some zeros
// and some that are subnormal as f16.
inline float draw(Random& random) {
  const uint64_t r = random.next();
  const uint32_t size = static_cast<uint32_t>(r >> 32) % 16;
  if (size == 0) return 0;
  const uint32_t exponent = size == 1 ? 107 : 119 + size % 12;
  return std::bit_cast<float>((static_cast<uint32_t>(r) & 0x807fffffu) | exponent << 23);
}

}  // namespace self_check
}  // namespace tern
