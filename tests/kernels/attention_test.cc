// Attention over cache blocks: every ISA against scalar, queries together against each alone, and softmax in double.
#include "kernels/attention/attention.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/half.h"
#include "tests/kernels/elements_case.h"

namespace tern {
namespace {

struct Cache {
  std::vector<std::byte> keys, values;  // [count][d]
  std::vector<double> k, v;             // what they hold
};

void store(std::vector<std::byte>& bytes, std::vector<double>& held, FloatType type, float x) {
  const size_t at = bytes.size();
  if (type == FloatType::f32) {
    bytes.resize(at + 4);
    std::memcpy(&bytes[at], &x, 4);
    held.push_back(x);
  } else {
    const uint16_t h = f32_to_f16(x);
    bytes.resize(at + 2);
    std::memcpy(&bytes[at], &h, 2);
    held.push_back(f16_to_f32(h));
  }
}

// Scratch of the size that the contract states, and guards behind it.
struct Scratch {
  explicit Scratch(uint64_t d) : bytes(attention_scratch_bytes(d)), guarded(bytes + 64) {}
  std::byte* data() {
    const auto at = reinterpret_cast<uintptr_t>(guarded.data());
    return reinterpret_cast<std::byte*>(at + (64 - at % 64) % 64);
  }
  size_t bytes;
  Guarded<uint8_t> guarded;
};

AttentionState begin(float* accumulator, uint64_t d) {
  std::memset(accumulator, 0, d * sizeof(float));
  return {-std::numeric_limits<float>::infinity(), 0.f, accumulator};
}

Cache draw_cache(Random& random, uint64_t n, FloatType key_type, FloatType value_type) {
  Cache c;
  for (uint64_t i = 0; i < n; ++i) {
    store(c.keys, c.k, key_type, random.normal());
    store(c.values, c.v, value_type, random.normal());
  }
  return c;
}

}  // namespace

TEST_CASE("elements: attention equals scalar on every ISA and softmax in double") {
  Random random(13);
  const uint64_t dims[] = {1, 6, 8, 15, 16, 17, 32, 48, 64, 80, 96, 128, 200};
  for (const ElementKernels* t : tables()) {
    for (const uint64_t d : dims) {
      for (const FloatType key_type : {FloatType::f32, FloatType::f16}) {
        for (const FloatType value_type : {FloatType::f32, FloatType::f16}) {
          const uint64_t positions = 1 + random.below(100);
          INFO(t->isa << " d=" << d << " positions=" << positions);
          const std::vector<float> q = draw_many(random, d, Values::normal);
          const Cache cache = draw_cache(random, positions * d, key_type, value_type);
          const float scale = 1.f / std::sqrt(float(d));
          const auto run = [&](const ElementKernels& kernels, Guarded<float>& acc) {
            AttentionQuery query{q.data(), 0, 0, begin(acc.data(), d)};
            AttentionBlock block{nullptr, nullptr, key_type, value_type, d, scale};
            for (uint64_t b = 0; b < positions; b += kCacheBlock) {
              block.keys = cache.keys.data() + b * d * float_bytes(key_type);
              block.values = cache.values.data() + b * d * float_bytes(value_type);
              query.end = std::min<uint64_t>(kCacheBlock, positions - b);
              kernels.attend_block(block, &query, 1, nullptr);
            }
            return query.state;
          };
          Guarded<float> acc(d), expected(d);
          const AttentionState a = run(*t, acc), e = run(scalar(), expected);
          CHECK(same(acc.data(), expected.data(), d));
          CHECK((same(a.max, e.max) && same(a.sum, e.sum)));
          CHECK((acc.intact() && expected.intact()));

          std::vector<double> p(positions);
          double sum = 0;
          for (uint64_t j = 0; j < positions; ++j) {
            double dot = 0;
            for (uint64_t i = 0; i < d; ++i) dot += q[i] * cache.k[j * d + i];
            sum += p[j] = std::exp(dot * scale);
          }
          for (uint64_t i = 0; i < d; ++i) {
            double out = 0;
            for (uint64_t j = 0; j < positions; ++j) out += p[j] / sum * cache.v[j * d + i];
            // |scores| < 16: their error is below 16 * (d/16 + 8) * 2^-24 < 2e-5; the rest is smaller. |v| < 6.
            CHECK(std::fabs(acc.data()[i] / a.sum - out) < 6 * 4e-5);
          }
        }
      }
    }
  }
}

TEST_CASE("elements: every f16 value enters attention exactly, and extremes agree on every ISA") {
  Random random(17);
  std::vector<uint16_t> halves;
  for (uint32_t h = 0; h < 65536; ++h) {
    if ((h & 0x7c00) != 0x7c00) halves.push_back(uint16_t(h));
  }
  const uint64_t d = halves.size();
  const std::vector<float> zeros(d);
  const std::vector<uint16_t> keys(d);
  for (const ElementKernels* t : tables()) {
    std::vector<float> acc(d);
    AttentionQuery query{zeros.data(), 0, 1, begin(acc.data(), d)};
    const AttentionBlock block{reinterpret_cast<const std::byte*>(keys.data()),
                               reinterpret_cast<const std::byte*>(halves.data()),
                               FloatType::f16,
                               FloatType::f16,
                               d,
                               1.f};
    t->attend_block(block, &query, 1, nullptr);
    CHECK(query.state.sum == 1.f);
    bool equal = true;
    for (uint64_t i = 0; i < d; ++i) equal = equal && acc[i] == f16_to_f32(halves[i]);
    CHECK(equal);

    for (int round = 0; round < 50; ++round) {
      const uint64_t n = 1 + random.below(90), count = 1 + random.below(kCacheBlock);
      const std::vector<float> q = draw_many(random, n, Values::extreme);
      const std::vector<float> k = draw_many(random, n * count, Values::extreme);
      const std::vector<float> v = draw_many(random, n * count, Values::extreme);
      std::vector<float> a(n), b(n);
      AttentionQuery qa{q.data(), 0, count, begin(a.data(), n)}, qb{q.data(), 0, count, begin(b.data(), n)};
      const AttentionBlock wide{reinterpret_cast<const std::byte*>(k.data()),
                                reinterpret_cast<const std::byte*>(v.data()),
                                FloatType::f32,
                                FloatType::f32,
                                n,
                                0.125f};
      t->attend_block(wide, &qa, 1, nullptr);
      scalar().attend_block(wide, &qb, 1, nullptr);
      CHECK((same(qa.state.max, qb.state.max) && same(qa.state.sum, qb.state.sum) && same(a.data(), b.data(), n)));
    }
  }
}

TEST_CASE("elements: queries that come together give the bits of each alone") {
  Random random(19);
  const uint64_t dims[] = {2, 22, 64, 87};
  for (const ElementKernels* t : tables()) {
    for (const uint64_t d : dims) {
      for (const Values kind : {Values::normal, Values::extreme}) {
        for (const uint64_t count : {uint64_t{2}, uint64_t{3}, d == 22 ? kMaxAttentionQueries : 4 + random.below(20)}) {
          const FloatType key_type = random.below(2) ? FloatType::f16 : FloatType::f32;
          const FloatType value_type = random.below(2) ? FloatType::f16 : FloatType::f32;
          INFO(t->isa << " d=" << d << " queries=" << count);
          const std::vector<float> q = draw_many(random, count * d, kind);
          Guarded<float> together(count * d), alone(count * d);
          std::vector<AttentionQuery> queries(count), single(count);
          for (uint64_t i = 0; i < count; ++i) {
            queries[i] = {q.data() + i * d, 0, 0, begin(together.data() + i * d, d)};
            single[i] = {q.data() + i * d, 0, 0, begin(alone.data() + i * d, d)};
          }
          Scratch scratch(d);
          for (int block = 0; block < 2; ++block) {
            const uint64_t last = 1 + random.below(kCacheBlock);  // what is behind is not there to be read
            const Cache cache = draw_cache(random, last * d, key_type, value_type);
            const AttentionBlock b{cache.keys.data(), cache.values.data(), key_type, value_type, d, 0.3f};
            for (uint64_t i = 0; i < count; ++i) {
              const bool as_before = i > 0 && random.below(2);  // neighbours often see the same positions
              queries[i].end = as_before ? queries[i - 1].end : 1 + random.below(last);
              queries[i].begin = as_before ? queries[i - 1].begin : random.below(queries[i].end);
              single[i].begin = queries[i].begin, single[i].end = queries[i].end;
            }
            t->attend_block(b, queries.data(), count, scratch.data());
            for (AttentionQuery& query : single) scalar().attend_block(b, &query, 1, nullptr);
          }
          CHECK(same(together.data(), alone.data(), count * d));
          for (uint64_t i = 0; i < count; ++i) {
            CHECK(same(queries[i].state.max, single[i].state.max));
            CHECK(same(queries[i].state.sum, single[i].state.sum));
          }
          CHECK((together.intact() && alone.intact() && scratch.guarded.intact()));
        }
      }
    }
  }
}

}  // namespace tern
