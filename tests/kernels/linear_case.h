// A random linear layer with its inputs, and guarded memory, for the kernel tests. Depends on no file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "kernels/dispatch/dispatch.h"

namespace tern {

// 64-byte aligned bytes between guards that a kernel must not touch.
class GuardedBytes {
 public:
  explicit GuardedBytes(size_t size);
  std::byte* data() { return storage_.data() + begin_; }
  const std::byte* data() const { return storage_.data() + begin_; }
  size_t size() const { return size_; }
  bool guards_intact() const;

 private:
  std::vector<std::byte> storage_;
  size_t begin_ = 0, size_ = 0;
};

enum class Values { ordinary, extreme };

struct LinearCase {
  Encoding encoding;
  Layout layout;
  uint64_t rows = 0, cols = 0, tokens = 0, input_groups = 1;
  std::string text;                  // for messages
  std::vector<GuardedBytes> memory;  // codes, scales, x, activation codes, activation scales, sums
  std::shared_ptr<GuardedBytes> book;  // of vectors
  WeightView weight;
  InputView input;
};

// REQUIRES encoding valid for the shape. ordinary: random bytes as codes (code 3 among them), random activations;
// extreme: long runs of the largest codes and of +-127.
LinearCase make_case(Random& random, const Encoding& encoding, LinearInput input, uint64_t rows, uint64_t cols,
                     uint64_t tokens, bool input_per_group, Values values);

// The same of vectors, with a codebook of int8 or of floats of value_type.
LinearCase make_vector_case(Random& random, const Encoding& encoding, FloatType value_type, bool integer,
                            LinearInput input, uint64_t rows, uint64_t cols, uint64_t tokens, Values values);

// A random encoding that the kernel serves, and a shape around block and tile multiples.
LinearCase random_case(Random& random, const LinearKernelEntry& kernel);

// Runs tiles [range) into a buffer of guard patterns: tokens x stride floats. Fails the test on a touched guard.
std::vector<float> run_guarded(const LinearCase& c, LinearKernel kernel, TileRange range);

}  // namespace tern
