#include <cstring>
#include <limits>
#include <vector>

#include "base/half.h"
#include "kernels/attention/attention.h"
#include "kernels/dispatch/self_check.h"
#include "kernels/hadamard/hadamard.h"
#include "kernels/sparse/sparse.h"

namespace tern {
namespace {

using self_check::draw;
using Floats = std::vector<float>;

constexpr uint64_t kMargin = 16;                   // values behind an output that must stay as they were
constexpr uint64_t kSizes[] = {5, 64, 87};         // a tail, whole registers, both
constexpr uint64_t kHeadDim = 87, kHeadHalf = 43;  // 64 + 16 + 7; 32 + 11 pairs
constexpr uint64_t kAttentionQueries = 5;

Floats draw_many(Random& random, uint64_t n) {
  Floats x(n);
  for (float& v : x) v = draw(random);
  return x;
}

// Gates at and beyond the ends of exp, and halves for rounding.
Floats gates(Random& random, uint64_t n) {
  constexpr float kSpecial[] = {
      0.f,    -0.f,    1e-45f, -1e-40f,           88.8f, -88.8f, -87.4f, 87.4f, 1e20f, -1e20f, 0.5f, -0.5f, 104.5f,
      -104.f, 65504.f, 1e-20f, __builtin_nanf("")};
  Floats x = draw_many(random, n);
  for (uint64_t i = 0; i < n; i += 3) x[i] = kSpecial[i / 3 % std::size(kSpecial)];
  return x;
}

bool same_values(const float* a, const float* b, uint64_t n) {
  for (uint64_t i = 0; i < n; ++i) {  // a NaN is one, whatever its payload
    if (std::memcmp(a + i, b + i, sizeof(float)) != 0 && (a[i] == a[i] || b[i] == b[i])) return false;
  }
  return true;
}

struct Pair {
  const ElementKernels& kernels;
  const ElementKernels& reference;

  // run(table, y) with y holding `start` and a margin, by both tables.
  template <class Run>
  bool agree(const Floats& start, Run run) const {
    Floats y = start, expected = start;
    y.resize(start.size() + kMargin, -12345.5f);
    expected.resize(y.size(), -12345.5f);
    run(kernels, y.data());
    run(reference, expected.data());
    return same_values(y.data(), expected.data(), y.size());
  }
};

bool check_vectors(const Pair& pair, uint64_t n, Random& random) {
  const Floats x = draw_many(random, n), w = draw_many(random, n), g = gates(random, n);
  const auto rms = [&](const auto& t, float* y) { t.rms_norm(x.data(), w.data(), 1e-5f, n, y); };
  const auto rms_in_place = [&](const auto& t, float* y) { t.rms_norm(y, nullptr, 0.f, n, y); };
  const auto silu = [&](const auto& t, float* y) { t.silu_mul(g.data(), w.data(), n, y); };
  const auto relu2 = [&](const auto& t, float* y) { t.relu2_mul(g.data(), w.data(), n, y); };
  const auto complex_relu2 = [&](const auto& t, float* y) {
    t.complex_relu2_mul(g.data(), w.data(), n / 2 + n % 2, n / 2, y);
  };
  const auto add = [&](const auto& t, float* y) { t.add(w.data(), n, y); };
  const auto add_scaled = [&](const auto& t, float* y) { t.add_scaled(w.data(), 0.7f, n, y); };
  const auto multiply = [&](const auto& t, float* y) { t.multiply(w.data(), n, y); };
  const auto to_f16 = [&](const auto& t, float* y) {
    std::vector<uint16_t> halves(n + kMargin, 0x7bff);
    t.to_f16(g.data(), n, halves.data());
    for (uint64_t i = 0; i < n; ++i) y[i] = halves[i];
  };
  return pair.agree(x, rms) && pair.agree(x, rms_in_place) && pair.agree(x, silu) && pair.agree(x, relu2) &&
         pair.agree(x, complex_relu2) && pair.agree(x, add) && pair.agree(x, add_scaled) && pair.agree(x, multiply) &&
         pair.agree(x, to_f16);
}

// Two runs each: stages within registers alone, with a tail; all stages; and with a matrix.
bool check_hadamard(const Pair& pair, Random& random) {
  for (const auto& [order, length] : {std::pair<uint64_t, uint64_t>{1, 4}, {1, 64}, {5, 8}, {5, 32}}) {
    const uint64_t n = 2 * order * length;
    Floats signs(n), matrix(order * order);
    for (Floats* many : {&signs, &matrix}) {
      for (float& v : *many) v = random.below(2) == 0 ? 1.f : -1.f;
    }
    const HadamardShape shape{signs.data(), order > 1 ? matrix.data() : nullptr, order, length, 0.3f};
    const bool agree = pair.agree(draw_many(random, n), [&](const ElementKernels& t, float* y) {
      Floats scratch(n);
      t.hadamard(shape, n, y, scratch.data());
    });
    if (!agree) return false;
  }
  return true;
}

bool check_sparse(const Pair& pair, Random& random) {
  const uint32_t starts[] = {0, 3, 3, 8}, columns[] = {6, 0, 2, 1, 3, 3, 5, 4};
  const Floats x = draw_many(random, 7), values = draw_many(random, std::size(columns));
  const SparseView w{reinterpret_cast<const std::byte*>(values.data()), FloatType::f32, columns, starts};
  return pair.agree(draw_many(random, 3), [&](const ElementKernels& t, float* y) {
    t.add_sparse(w, 0, 2, x.data(), 0.7f, y);
    t.add_sparse(w, 2, 3, x.data(), -1.3f, y);
  });
}

// Entries and columns in one register and a part, in many and a part, and fewer than a register holds; equal entries
// among them.
bool check_quantizers(const Pair& pair, Random& random) {
  for (const unsigned entries : {7u, 23u, 150u}) {
    constexpr unsigned kLength = 3;
    const Floats x = draw_many(random, 2 * kLength);
    Floats w = draw_many(random, kLength), centers = draw_many(random, uint64_t{kLength} * entries),
           vectors = draw_many(random, 2 * centers.size());
    for (unsigned i = 0; i < kLength; ++i) {
      w[i] *= w[i];
      centers[(i + 1) * entries - 1] = centers[i * entries + entries / 2] = x[i];
    }
    const bool agree = pair.agree(Floats(entries + 3), [&](const ElementKernels& t, float* y) {
      t.entry_errors(x.data(), w.data(), kLength, centers.data(), entries, y);
      y[entries] =
          static_cast<float>(t.nearest_entry(x.data(), w.data(), kLength, centers.data(), entries, y + entries + 1));
      y[entries + 2] =
          static_cast<float>(t.nearest_entry(x.data() + kLength, w.data(), kLength, centers.data(), entries, nullptr));
    });
    const bool lowered = pair.agree(draw_many(random, entries), [&](const ElementKernels& t, float* y) {
      t.lower_errors(vectors.data(), vectors.data() + centers.size(), kLength, entries, entries, x.data(), y);
    });
    const bool added = pair.agree(draw_many(random, entries), [&](const ElementKernels& t, float* y) {
      t.add_rows(vectors.data(), entries, kLength, x.data(), entries, y);
    });
    if (!agree || !lowered || !added) return false;
  }
  return true;
}

// Codes, scales and sums side by side, as floats: all are exact.
bool check_rounding(const Pair& pair, const Floats& x, uint64_t group_cols) {
  const uint64_t n = x.size(), groups = (n + group_cols - 1) / group_cols, padded = (group_cols + 31) / 16 * 16;
  return pair.agree(Floats(groups * (padded + 2)), [&](const ElementKernels& t, float* y) {
    std::vector<int8_t> codes(groups * padded + kMargin, 99);
    std::vector<int32_t> sums(groups);
    t.quantize_int8(x.data(), n, groups, group_cols, padded, codes.data(), y, sums.data());
    for (uint64_t g = 0; g < groups; ++g) y[groups + g] = static_cast<float>(sums[g]);
    for (uint64_t i = 0; i < codes.size(); ++i) y[2 * groups + i] = codes[i];
  });
}

bool check_rope(const Pair& pair, Random& random) {
  const Floats x = draw_many(random, 2 * kHeadHalf), cos = draw_many(random, kHeadHalf),
               sin = draw_many(random, kHeadHalf);
  const auto halves = [&](const auto& t, float* y) { t.rope_halves(y, cos.data(), sin.data(), x.size()); };
  const auto pairs = [&](const auto& t, float* y) { t.rope_interleaved(y, cos.data(), sin.data(), x.size()); };
  return pair.agree(x, halves) && pair.agree(x, pairs);
}

// One array of cached keys or values as both of its types.
struct Cached {
  Floats wide;
  std::vector<uint16_t> narrow;
  Cached(Random& random, uint64_t n, float growth) : wide(draw_many(random, n)) {
    for (uint64_t i = 0; i < n; ++i) wide[i] *= 1 + growth * static_cast<float>(i / (n / 3));
    for (const float v : wide) narrow.push_back(f32_to_f16(v));
  }
  const std::byte* at(FloatType type, uint64_t i) const {
    return type == FloatType::f32 ? reinterpret_cast<const std::byte*>(wide.data() + i)
                                  : reinterpret_cast<const std::byte*>(narrow.data() + i);
  }
};

// Queries over three blocks: all of two, then some of the last; one of them enters the first block in its middle.
// The state stands behind the accumulators.
void attend_blocks(const ElementKernels& t, const Floats& q, AttentionBlock block, const Cached& keys,
                   const Cached& values, uint64_t count, float* y) {
  constexpr uint64_t kEnds[] = {kCacheBlock, kCacheBlock, 7};
  std::vector<AttentionQuery> queries(count);
  for (uint64_t i = 0; i < count; ++i) {
    const AttentionState state{-std::numeric_limits<float>::infinity(), 0.f, y + i * kHeadDim};
    queries[i] = {q.data() + i * kHeadDim, i == 1 ? 5u : 0u, kCacheBlock, state};
  }
  const self_check::Lines<std::byte> scratch(attention_scratch_bytes(kHeadDim));
  for (uint64_t b = 0; b < std::size(kEnds); ++b) {
    block.keys = keys.at(block.key_type, b * kCacheBlock * kHeadDim);
    block.values = values.at(block.value_type, b * kCacheBlock * kHeadDim);
    for (uint64_t i = 0; i < count; ++i) queries[i].end = kEnds[b] - (kEnds[b] < kCacheBlock ? i / 2 : 0);
    t.attend_block(block, queries.data(), count, scratch.data());
    for (AttentionQuery& query : queries) query.begin = 0;
  }
  float* last = y + kAttentionQueries * kHeadDim;
  for (const AttentionQuery& query : queries) *last++ = query.state.max, *last++ = query.state.sum;
}

// Three blocks of positions with growing keys, so that the running maximum moves. One query alone and several at once.
bool check_attention(const Pair& pair, Random& random) {
  const Floats q = draw_many(random, kAttentionQueries * kHeadDim);
  const Cached keys(random, 3 * kCacheBlock * kHeadDim, 0.5f), values(random, 3 * kCacheBlock * kHeadDim, 0);
  float scale = 0.002f;  // another for each pair of types: exp(old maximum - new) from 1 to almost 0
  for (const FloatType key_type : {FloatType::f32, FloatType::f16}) {
    for (const FloatType value_type : {FloatType::f32, FloatType::f16}) {
      const AttentionBlock block{nullptr, nullptr, key_type, value_type, kHeadDim, scale};
      for (const uint64_t count : {uint64_t{1}, kAttentionQueries}) {
        const Floats start(kAttentionQueries * (kHeadDim + 2));
        const auto run = [&](const ElementKernels& t, float* y) { attend_blocks(t, q, block, keys, values, count, y); };
        if (!pair.agree(start, run)) return false;
      }
      scale *= 2;
    }
  }
  return true;
}

}  // namespace

bool same_bits(const ElementKernels& kernels, const ElementKernels& reference) {
  const Pair pair{kernels, reference};
  Random random(1);
  for (const uint64_t n : kSizes) {
    if (!check_vectors(pair, n, random)) return false;
  }
  Floats halves(87);  // with 127 as the largest of a group, codes are the values themselves: rounding to even shows
  for (uint64_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<float>(static_cast<int>(i % 29) - 14) / 2;
  halves[3] = 127, halves[40] = -127, halves[86] = 127;
  Floats small = draw_many(random, 87);
  for (uint64_t i = 32; i < 64; ++i) small[i] *= 0x1p-30f;  // below the least maximum
  return check_rounding(pair, halves, 87) && check_rounding(pair, halves, 32) && check_rounding(pair, small, 87) &&
         check_rounding(pair, small, 32) && check_rope(pair, random) && check_attention(pair, random) &&
         check_hadamard(pair, random) && check_sparse(pair, random) && check_quantizers(pair, random);
}

}  // namespace tern
