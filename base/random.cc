#include "base/random.h"

#include <bit>
#include <cmath>

#include "base/math.h"

namespace tern {

Random::Random(uint64_t seed) {
  for (uint64_t& word : s_) {  // splitmix64
    seed += 0x9e3779b97f4a7c15u;
    uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    word = z ^ (z >> 31);
  }
}

uint64_t Random::next() {
  const uint64_t result = std::rotl(s_[1] * 5, 7) * 9;
  const uint64_t t = s_[1] << 17;
  s_[2] ^= s_[0];
  s_[3] ^= s_[1];
  s_[1] ^= s_[2];
  s_[0] ^= s_[3];
  s_[2] ^= t;
  s_[3] = std::rotl(s_[3], 45);
  return result;
}

float Random::uniform() { return static_cast<float>(next() >> 40) * 0x1p-24f; }

uint64_t Random::below(uint64_t bound) {
  const uint64_t reject = (0 - bound) % bound;  // 2^64 mod bound: the first values that would bias the rest
  uint64_t bits = next();
  while (bits < reject) bits = next();
  return bits % bound;
}

float Random::normal() {
  const double u = static_cast<double>((next() >> 11) + 1) * 0x1p-53;  // (0, 1]
  const double v = static_cast<double>(next() >> 11) * 0x1p-53;        // [0, 1)
  return static_cast<float>(std::sqrt(-2.0 * log64(u)) * cos64(6.283185307179586 * v));
}

}  // namespace tern
