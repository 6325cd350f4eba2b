// What the templated bodies share: the walk over tiles and tokens in register blocks, scales, stores.
// Included by files of several ISAs: everything here has internal linkage and calls nothing inline that has not.
#pragma once

#include "base/half.h"
#include "kernels/linear/linear.h"
#include "kernels/simd/unroll.h"

namespace tern {
namespace {

struct LinearCall {
  const WeightView& w;
  const InputView& in;
  const OutputView& out;
  std::byte* scratch;
};

struct TokenRange {
  uint64_t begin = 0, end = 0;
};

// A batch writes each token's sums a row of outputs apart; lines asked for before they are computed are there when they
// are stored. The last value of the last tile is asked for too: outputs need no alignment.
template <int tiles, int tokens>
TERN_INLINE void expect_outputs(const LinearCall& call, uint64_t tile, uint64_t m) {
  constexpr uint64_t kTileBytes = kTileRows * sizeof(float);
  unroll<tokens>([&](auto k) TERN_LAMBDA {
    const uintptr_t y = reinterpret_cast<uintptr_t>(call.out.y + (m + k()) * call.out.stride) + tile * kTileBytes;
    unroll<tiles>([&](auto t) TERN_LAMBDA { __builtin_prefetch(reinterpret_cast<void*>(y + t() * kTileBytes), 1); });
    __builtin_prefetch(reinterpret_cast<void*>(y + tiles * kTileBytes - sizeof(float)), 1);
  });
}

// Body::run<tiles, tokens>(call, tile, m) computes `tiles` row tiles from `tile` for `tokens` inputs from m.
template <class Body, int tiles, int tokens>
TERN_INLINE void walk_tokens(const LinearCall& call, uint64_t tile, TokenRange range) {
  for (; range.begin + tokens <= range.end; range.begin += tokens) {
    if constexpr (tokens > 1) expect_outputs<tiles, tokens>(call, tile, range.begin);
    Body::template run<tiles, tokens>(call, tile, range.begin);
  }
  if constexpr (tokens > 1) walk_tokens<Body, tiles, tokens / 2>(call, tile, range);
}

// A tile's weights stay in the first cache while all tokens use them: tiles outside, tokens inside.
template <class Body, int tiles, int tokens>
TERN_INLINE void walk_tiles(const LinearCall& call, TileRange range, TokenRange inputs) {
  uint64_t tile = range.begin;
  for (; tile + tiles <= range.end; tile += tiles) walk_tokens<Body, tiles, tokens>(call, tile, inputs);
  if constexpr (tiles > 1) walk_tiles<Body, tiles / 2, tokens>(call, {tile, range.end}, inputs);
}

// Tokens whose inputs stay in the second cache while all tiles use them, a multiple of 8. Weights of few bits are read
// again for each such run; they are the smaller part.
inline uint64_t tokens_at_once(const InputView& in, uint64_t bytes = 128 * 1024) {
  const uint64_t each = in.codes ? in.code_stride : in.x_stride * sizeof(float);
  return each * 16 > bytes ? 8 : bytes / each / 8 * 8;
}

// One token takes many tiles at once, to hide latency; a batch takes many tokens, to share unpacking.
template <class Body, int tiles, int batch_tiles, int batch_tokens>
TERN_INLINE void walk(const LinearCall& call, TileRange range) {
  const uint64_t count = call.in.tokens, each = tokens_at_once(call.in);
  if (count == 1) return walk_tiles<Body, tiles, 1>(call, range, {0, 1});
  for (uint64_t m = 0; m < count; m += each)
    walk_tiles<Body, batch_tiles, batch_tokens>(call, range, {m, m + each < count ? m + each : count});
}

// Asks for the line `kAhead` bytes on: worth a quarter of the speed from DRAM (docs/kernels.md), free in cache. It may
// point beyond the tensor; a prefetch never faults.
constexpr uintptr_t kAhead = 4096;
TERN_INLINE void prefetch_ahead(const std::byte* p) {
  __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(p) + kAhead));
}

template <class V>
TERN_INLINE typename V::Floats load_values(const std::byte* values, FloatType type, uint64_t i) {
  if (type == FloatType::f32) return V::load_f32(values + 4 * i);
  if (type == FloatType::f16) return V::load_f16(values + 2 * i);
  return V::load_bf16(values + 2 * i);
}

inline float load_value(const std::byte* values, FloatType type, uint64_t i) {
  float f = 0;
  uint16_t h = 0;
  if (type == FloatType::f32) {
    __builtin_memcpy(&f, values + 4 * i, 4);
    return f;
  }
  __builtin_memcpy(&h, values + 2 * i, 2);
  return type == FloatType::f16 ? f16_to_f32(h) : __builtin_bit_cast(float, static_cast<uint32_t>(h) << 16);
}

// The 16 scales of a tile in group g of plane p.
template <class V>
TERN_INLINE typename V::Floats load_scales(const WeightView& w, uint64_t tile, uint64_t g, uint64_t p) {
  const uint64_t planes = w.encoding.planes;
  if (w.encoding.scope == ScaleScope::tensor) return V::broadcast(load_value(w.scales, w.encoding.scale_type, p));
  const uint64_t row =
      w.encoding.scope == ScaleScope::row ? tile * planes + p : (tile * w.layout.groups + g) * planes + p;
  return load_values<V>(w.scales, w.encoding.scale_type, row * kTileRows);
}

TERN_INLINE const std::byte* group_blocks(const WeightView& w, uint64_t tile, uint64_t g, uint64_t p) {
  return w.codes + tile * w.layout.tile_bytes + (g * w.encoding.planes + p) * w.layout.group_blocks * kBlockBytes;
}

// Codes of neighbouring tiles, from a block of the first on.
struct TileRun {
  const std::byte* codes;
  uint64_t tile_bytes;   // from a tile to the next
  const std::byte* end;  // of the first tile

  TERN_INLINE TileRun from(uint64_t bytes) const { return {codes + bytes, tile_bytes, end}; }
};

TERN_INLINE TileRun tile_run(const WeightView& w, uint64_t tile, uint64_t g, uint64_t p) {
  return {group_blocks(w, tile, g, p), w.layout.tile_bytes, w.codes + (tile + 1) * w.layout.tile_bytes};
}

// prefetch_ahead of the block at `bytes` of each tile. What is read behind the end of a tile is not the tile after it,
// which is one of those at hand, but the tile that takes its place in the next run.
template <int tiles>
TERN_INLINE void prefetch_tiles(const TileRun& run, uint64_t bytes) {
  const uintptr_t ahead = reinterpret_cast<uintptr_t>(run.codes) + bytes + kAhead;
  const uintptr_t first = ahead < reinterpret_cast<uintptr_t>(run.end) ? ahead : ahead + (tiles - 1) * run.tile_bytes;
  unroll<tiles>([&](auto t)
                    TERN_LAMBDA { __builtin_prefetch(reinterpret_cast<const void*>(first + t * run.tile_bytes)); });
}

inline uint64_t group_stride(const Layout& layout) { return layout.padded_group_cols(); }

// Columns of group g that are not padding.
inline uint64_t group_columns(const WeightView& w, uint64_t g) {
  const uint64_t left = w.cols - g * w.layout.group_cols;
  return left < w.layout.group_cols ? left : w.layout.group_cols;
}

inline float activation_scale(const InputView& in, uint64_t m, uint64_t g) {
  return in.scales[m * in.groups + (in.groups == 1 ? 0 : g)];
}

// Sum of the activation codes of a weight group of `cols` columns, padding included; counted here where the activations
// have one group, the weights many.
inline int32_t activation_sum(const InputView& in, uint64_t groups, uint64_t cols, uint64_t m, uint64_t g) {
  if (in.groups == groups) return in.sums[m * in.groups + g];
  const int8_t* a = in.codes + m * in.code_stride + g * cols;
  int32_t sum = 0;
  for (uint64_t c = 0; c < cols; ++c) sum += a[c];
  return sum;
}

template <class V>
TERN_INLINE void store_tile(const LinearCall& call, uint64_t tile, uint64_t m, typename V::Floats y,
                            uint64_t half = 0) {
  const uint64_t first = tile * kTileRows, rows = call.w.layout.tiled_rows - first;
  float* to = call.out.y + m * call.out.stride + half * call.w.layout.tiled_rows + first;
  if (rows >= kTileRows) {
    V::store(to, y);
    return;
  }
  float last[kTileRows];
  V::store(last, y);
  for (uint64_t r = 0; r < rows; ++r) to[r] = last[r];
}

}  // namespace
}  // namespace tern
