// oneDNN's matmul of a layer's shape, its weights packed as it likes them: what a library for dense numbers makes of
// this machine, beside our kernels.
#pragma once

#include <memory>
#include <string>

#include "bench/layer.h"

namespace tern::bench {

class OneDnnMatmul {
 public:
  // encoding: "f32", "bf16" or "int8" (unsigned activations, the faster case, int32 out). Null for others, and where
  // oneDNN is not part of the build. Members of a team of `threads` share the rows. Throws std::bad_alloc.
  static std::unique_ptr<OneDnnMatmul> make(const std::string& encoding, const LayerShape& shape, unsigned threads);
  virtual ~OneDnnMatmul() = default;

  virtual void run(const ThreadTeam::Member& member, uint64_t round) = 0;
  virtual const LinearKernelEntry& entry() const = 0;  // a name; it has no function
  virtual uint64_t weights() const = 0;
  virtual uint64_t bytes() const = 0;
  double bits_per_weight() const { return 8. * static_cast<double>(bytes()) / static_cast<double>(weights()); }
};

}  // namespace tern::bench
