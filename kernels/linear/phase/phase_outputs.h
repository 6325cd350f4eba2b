// What all kernels of phase weights share: from sums over set bits to both halves of the outputs (linear.h).
//
// With P1, P2 the sums of the activations x where e1, e2 are set, the signs give E = 2 P - sum(x), so that
//   R = (E2 + E1) / 2 = P2 + P1 - sum(x)        I = (E2 - E1) / 2 = P2 - P1
#pragma once

#include "formats/encoding/phase.h"
#include "kernels/linear/blocking.h"

namespace tern {
namespace {

template <class V>
struct BitSums {  // of 16 complex rows: set bits of e1 and e2 with the first half of the input and with the second
  typename V::Ints e1r, e2r, e1i, e2i;
};

template <class V>
struct ComplexRows {
  typename V::Floats real, imaginary;
};

// One group of both halves of a token.
struct PhaseInput {
  float scale_r, scale_i;
  int32_t zero_r, zero_i;  // what P2 + P1 carries too much
};

inline PhaseInput phase_input(const LinearCall& call, uint64_t m, uint64_t g) {
  const uint64_t first = m * call.in.groups + g, second = first + call.w.layout.groups;
  return {call.in.scales[first], call.in.scales[second], call.in.sums[first], call.in.sums[second]};
}

// The scales (part 0: real, 1: imaginary) of a tile in one group of one matrix of a stage.
template <class V>
TERN_INLINE typename V::Floats phase_scales(const WeightView& w, uint64_t tile, uint64_t stage, uint64_t g,
                                            uint64_t matrix, uint64_t part) {
  const uint64_t pairs = 2 * w.encoding.bits, plane = 2 * matrix + part;
  if (w.encoding.scope == ScaleScope::tensor)
    return V::broadcast(load_value(w.scales, w.encoding.scale_type, stage * pairs + plane));
  const uint64_t run = (stage * w.layout.groups + g) * pairs + plane;
  if (w.encoding.scope == ScaleScope::tile) {
    const uint64_t first = tile * kTileRows / kScaleTileRows * w.layout.tile_scales;
    return V::broadcast(load_value(w.scales, w.encoding.scale_type, first + run));
  }
  return load_values<V>(w.scales, w.encoding.scale_type, tile * w.layout.tile_scales + run * kTileRows);
}

// y += the matrix' product with the group. W sees the conjugate of the input.
template <class V>
TERN_INLINE void add_matrix(ComplexRows<V>& y, typename V::Floats re, typename V::Floats im, const BitSums<V>& p,
                            const PhaseInput& in, bool is_w) {
  const typename V::Floats scale_r = V::broadcast(in.scale_r);
  const typename V::Floats turned = V::broadcast(is_w ? in.scale_i : -in.scale_i);
  const typename V::Floats straight = V::broadcast(is_w ? -in.scale_i : in.scale_i);
  const auto real = [](const typename V::Ints& e1, const typename V::Ints& e2, int32_t zero)
                        TERN_LAMBDA { return V::to_floats(V::subtract(V::add(e2, e1), zero)); };
  const auto imaginary = [](const typename V::Ints& e1, const typename V::Ints& e2)
                             TERN_LAMBDA { return V::to_floats(V::difference(e2, e1)); };
  y.real = V::fma(real(p.e1r, p.e2r, in.zero_r), V::mul(re, scale_r), y.real);
  y.real = V::fma(imaginary(p.e1i, p.e2i), V::mul(im, turned), y.real);
  y.imaginary = V::fma(real(p.e1i, p.e2i, in.zero_i), V::mul(re, straight), y.imaginary);
  y.imaginary = V::fma(imaginary(p.e1r, p.e2r), V::mul(im, scale_r), y.imaginary);
}

template <class V>
TERN_INLINE void store_pair(const LinearCall& call, uint64_t tile, uint64_t m, const ComplexRows<V>& y) {
  store_tile<V>(call, tile, m, y.real, 0);
  store_tile<V>(call, tile, m, y.imaginary, 1);
}

// The first block of a matrix in a group of a stage; its next one stands encoding.bits blocks on.
TERN_INLINE const std::byte* phase_blocks(const WeightView& w, uint64_t tile, uint64_t stage, uint64_t g,
                                          uint64_t matrix) {
  const uint64_t blocks = ((stage * w.layout.groups + g) * w.layout.group_blocks) * w.encoding.bits + matrix;
  return w.codes + tile * w.layout.tile_bytes + blocks * kBlockBytes;
}

}  // namespace
}  // namespace tern
