// The contract of every linear kernel: y = W x for a batch of activation vectors, over a range
// of row tiles of one encoded matrix. One signature for all encodings, so that one list
// (kernels.inc) feeds dispatch, tests and benches.
//
// Canonical arithmetic (docs/kernels.md), the same bits from every kernel:
//   int8 activations:  y[r] = chain over ascending groups g, planes p:
//                      y = fma(float(S), float(w_scale * a_scale), y), y starts at 0
//                      S = exact integer sum over the group of weight code * activation code, minus
//                      the zero offset times the activation sum (trit: 1, int: 2^(bits - 1))
//   f32 activations:   per group g, plane p: s = chain over ascending columns s = fma(w, x, s), s
//                      starts at 0, w the unscaled weight; then y = fma(w_scale, s, y)
//                      dense: y = fma(w, x, y) over ascending columns, no scale
//   vectors:           scale_p = the plane's scale (none: 1) * the codebook's; over ascending planes y = fma(scale_p, s, y),
//                      y from 0, s from 0 and unscaled over all columns; those beyond the matrix meet zeros
//     vout             output axis: s = fma(c, x, s) over ascending columns
//     vin8             input axis, up to 8 bits an index: per vector t = fma(c, x, t) over its columns, t from 0; s = s + t:
//                      what a table of the entries' partial sums gives
//     vin16            input axis, more bits: column k goes to sum k mod 16 by fma, a tail padded with zeros; then sum i += sum i + 8, + 4, + 2, + 1
//     vin8, int8 x     y = fma(float(S), scale_p * a_scale, y), S exact; int codebooks, one activation scale a token
// Integer sums fit int32 for cols <= kMaxCols; plans check it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/encoding/encoding.h"
#include "formats/encoding/vector.h"

namespace tern {

inline constexpr uint64_t kMaxCols = 1u << 17;  // 63 * 127 * 2^17 and 255 * 127 * 2^16 < 2^31; int8: half of it

struct WeightView {
  Encoding encoding;
  Layout layout;
  uint64_t rows = 0, cols = 0;
  const std::byte* codes = nullptr;   // 64-byte aligned
  const std::byte* scales = nullptr;  // 64-byte aligned; f32/f16/bf16 per encoding.scale_type
  CodebookView codebook = {};         // of vectors
};

// A batch of input vectors in the form that the weight needs. Exactly one of x and codes is set.
// int8: row m holds groups() groups of padded_group_cols codes (zero beyond the real columns), their
// scales and their sums. `groups` is the activation's own: either 1 (per token) or the weight's.
struct InputView {
  uint64_t tokens = 0;
  const float* x = nullptr;  // [tokens][x_stride], cols real values, then zeros to padded_cols and a multiple of 16
  uint64_t x_stride = 0;
  const int8_t* codes = nullptr;  // [tokens][code_stride], 64-byte aligned rows, in -127..127
  uint64_t code_stride = 0;
  const float* scales = nullptr;  // [tokens][groups]
  const int32_t* sums = nullptr;  // [tokens][groups], sum of the codes of a group
  uint64_t groups = 1;
};

struct OutputView {
  float* y = nullptr;  // y[m * stride + r], r < rows; nothing beyond rows is written
  uint64_t stride = 0;
};

struct TileRange {
  uint64_t begin = 0, end = 0;
};

// REQUIRES views that agree (a LinearPlan has checked them). Thread-safe; threads take disjoint tiles.
// scratch: per thread, 64-byte aligned, kLinearScratchBytes long (look-up tables, unpacked tiles).
using LinearKernel = void (*)(const WeightView&, const InputView&, const OutputView&, TileRange, std::byte* scratch);
inline constexpr size_t kLinearScratchBytes = 1024 * 1024;

enum class LinearInput : uint8_t { f32, int8 };
enum class KernelFamily : uint8_t { reference, dot, multiplication_free };

}  // namespace tern
