// A linear layer of random weights with its input, for benches: what a kernel needs to run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "base/random.h"
#include "base/status.h"
#include "base/thread_team.h"
#include "kernels/dispatch/dispatch.h"

namespace tern::bench {

struct LayerShape {
  uint64_t rows = 0, cols = 0, tokens = 1;
  uint8_t planes = 1;                  // of trits or vectors; stages of phases
  uint32_t group = 0;                  // columns of a scale (phase: complex ones); 0: a scale per row
  bool tile = false;                   // phase: 64 complex rows share the scales of a group
  uint8_t length = 8, index_bits = 8;  // of vectors; no wider than the kernel takes
  bool int8_codebooks = false;         // not f16; always so for int8 activations
};

// Whether the kernel's encoding has a layer of this shape.
Status check(const LinearKernelEntry& kernel, const LayerShape& shape);

// Activations are rounded in the groups of the weights, as the converter's files ask for.
class Layer {
 public:
  // `footprint`: bytes of weights, at least; copies of the layer make them up, and each run takes the next one, so that
  // no cache holds what is read. 0: one copy. REQUIRES check(kernel, shape). Throws std::bad_alloc.
  Layer(const LinearKernelEntry& kernel, const LayerShape& shape, unsigned threads, uint64_t footprint = 0);

  // This member's share of y = W x.
  void run(const ThreadTeam::Member& member, uint64_t round);

  uint64_t weights() const { return weight_.rows * weight_.cols; }
  // Without codebooks, which stay in caches.
  uint64_t bytes() const { return weight_.layout.code_bytes + weight_.layout.scale_bytes; }  // a run reads
  double bits_per_weight() const { return 8. * static_cast<double>(bytes()) / static_cast<double>(weights()); }

 private:
  struct Free {
    void operator()(std::byte* p) const { ::operator delete (p, std::align_val_t{4096}); }
  };
  using Memory = std::unique_ptr<std::byte, Free>;
  static Memory allocate(uint64_t bytes);  // zero

  void make_codebook(Random& random, bool integer);
  void make_weights(const LayerShape& shape, uint64_t footprint);
  void make_input(uint64_t tokens);

  const LinearKernelEntry& kernel_;
  uint64_t copies_ = 1;
  WeightView weight_;  // the first copy
  InputView input_;
  Memory codes_, scales_, book_, values_, input_scales_, input_sums_, scratch_;
  std::vector<float> y_;
};

}  // namespace tern::bench
