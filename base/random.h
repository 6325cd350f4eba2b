// Random numbers that are the same on every machine: xoshiro256** seeded by splitmix64
// (Blackman & Vigna 2018). Not for cryptography. One thread.
#pragma once

#include <cstdint>

namespace tern {

class Random {
 public:
  explicit Random(uint64_t seed);
  uint64_t next();                 // 64 uniform bits
  float uniform();                 // [0, 1), 24 bits
  uint64_t below(uint64_t bound);  // [0, bound), unbiased; REQUIRES bound > 0
  float normal();                  // mean 0, variance 1 (sum-free Box-Muller with base/math.h)

 private:
  uint64_t s_[4];
};

}  // namespace tern
