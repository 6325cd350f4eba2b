#include "tests/runtime/broken_kernels.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "kernels/attention/attention.h"
#include "kernels/dispatch/elements_table.h"
#include "kernels/linear/kernels.h"

namespace tern {
namespace test {

std::atomic<int> broken_runs = 0;

namespace {

float next(float y) { return std::nextafter(y, INFINITY); }

// Runs the right kernel, then break_output(w, in, row, token, y) on every output of the range.
template <LinearKernel right, class Break>
void run_and_break(const WeightView& w, const InputView& in, const OutputView& out, TileRange range, std::byte* scratch,
                   Break break_output) {
  ++broken_runs;
  right(w, in, out, range, scratch);
  for (uint64_t m = 0; m < in.tokens; ++m) {
    for (uint64_t r = range.begin * kTileRows; r < std::min(w.rows, range.end * kTileRows); ++r) {
      break_output(w, in, r, m, out.y[m * out.stride + r]);
    }
  }
}

#define BROKEN(name, right, condition)                                                                              \
  void name(const WeightView& w, const InputView& in, const OutputView& out, TileRange range, std::byte* scratch) { \
    run_and_break<right>(w, in, out, range, scratch,                                                                \
                         []([[maybe_unused]] const WeightView& w, [[maybe_unused]] const InputView& in,             \
                            [[maybe_unused]] uint64_t row, [[maybe_unused]] uint64_t token, float& y) {             \
                           if (condition) y = next(y);                                                              \
                         });                                                                                        \
  }
BROKEN(everywhere, linear_trit2_a8_reference_scalar, true)
BROKEN(in_last_row, linear_trit2_a8_reference_scalar, row == w.rows - 1)
BROKEN(for_several_tokens, linear_trit2_a8_reference_scalar, in.tokens > 1 && token + 1 == in.tokens && row % 16 == 5)
BROKEN(for_long_rows, linear_trit2_a8_reference_scalar, w.cols > 4096 && row % 16 == 0)
BROKEN(for_row_scales, linear_trit2_a8_reference_scalar, w.encoding.scope == ScaleScope::row && row % 16 == 15)
BROKEN(for_many_tokens, linear_trit2_a8_reference_scalar, in.tokens >= 16 && token == 3 && row == 64)
BROKEN(in_one_lane, linear_int8_a8_reference_scalar, row % 16 == 11)
BROKEN(of_codes, linear_int8_f32_reference_scalar, in.tokens == 1 && row == 200)
#undef BROKEN

// One value too many behind each token's outputs.
void beyond_rows(const WeightView& w, const InputView& in, const OutputView& out, TileRange range, std::byte* scratch) {
  ++broken_runs;
  linear_trit2_a8_reference_scalar(w, in, out, range, scratch);
  for (uint64_t m = 0; m < in.tokens && w.rows % kTileRows != 0; ++m) out.y[m * out.stride + w.rows] = 0;
}

// Right, but of all tiles up to the end.
void from_tile_0(const WeightView& w, const InputView& in, const OutputView& out, TileRange range, std::byte* scratch) {
  ++broken_runs;
  linear_trit2_a8_reference_scalar(w, in, out, {0, range.end}, scratch);
}

// Takes the first group's activation scale for all groups.
void first_scale(const WeightView& w, const InputView& in, const OutputView& out, TileRange range, std::byte* scratch) {
  ++broken_runs;
  InputView one = in;
  one.groups = in.tokens == 1 ? 1 : in.groups;
  linear_trit2_a8_reference_scalar(w, one, out, range, scratch);
}

// A product and a sum, each rounded, instead of fma.
void unfused(const WeightView& w, const InputView& in, const OutputView& out, TileRange range, std::byte*) {
  ++broken_runs;
  for (uint64_t m = 0; m < in.tokens; ++m) {
    for (uint64_t r = range.begin * kTileRows; r < std::min(w.rows, range.end * kTileRows); ++r) {
      const std::byte* tile = w.codes + r / kTileRows * w.layout.tile_bytes;
      float y = 0;
      for (uint64_t c = 0; c < w.cols; ++c) {
        y += reinterpret_cast<const float*>(tile)[c * kTileRows + r % kTileRows] * in.x[m * in.x_stride + c];
      }
      out.y[m * out.stride + r] = y;
    }
  }
}

}  // namespace

std::vector<ElementKernels> broken_elements() {
  std::vector<ElementKernels> tables;
  const auto add = [&](const char* isa, auto member, auto broken) {
    ElementKernels table = kElementsScalar;
    table.isa = isa;
    table.*member = broken;
    tables.push_back(table);
  };
  using E = ElementKernels;
  add("broken_norm", &E::rms_norm, [](const float* x, const float* weight, float eps, uint64_t n, float* y) {
    kElementsScalar.rms_norm(x, weight, eps, n, y);
    y[n - 1] = next(y[n - 1]);
  });
  add("broken_attention", &E::attend_block,
      [](const AttentionBlock& block, AttentionQuery* queries, uint64_t count, std::byte* scratch) {
        kElementsScalar.attend_block(block, queries, count, scratch);
        AttentionQuery& last = queries[count - 1];
        if (block.key_type == FloatType::f16 && last.end < kCacheBlock) last.state.sum = next(last.state.sum);
      });
  add("broken_shared_attention", &E::attend_block,
      [](const AttentionBlock& block, AttentionQuery* queries, uint64_t count, std::byte* scratch) {
        kElementsScalar.attend_block(block, queries, count, scratch);
        if (count > 1 && queries[1].begin != 0) queries[1].state.accumulator[0] *= 2;
      });
  add("broken_rounding", &E::quantize_int8,
      [](const float* x, uint64_t cols, uint64_t groups, uint64_t group_cols, uint64_t padded, int8_t* codes,
         float* scales, int32_t* sums) {
        kElementsScalar.quantize_int8(x, cols, groups, group_cols, padded, codes, scales, sums);
        if (groups > 1) ++sums[groups - 1];
      });
  add("broken_silu", &E::silu_mul, [](const float* gate, const float* up, uint64_t n, float* y) {
    kElementsScalar.silu_mul(gate, up, n, y);
    for (uint64_t i = 0; i < n; ++i) y[i] = gate[i] < -100 ? up[i] : y[i];
  });
  add("broken_relu2", &E::relu2_mul, [](const float* gate, const float* up, uint64_t n, float* y) {
    for (uint64_t i = 0; i < n; ++i) y[i] = gate[i] * gate[i] * up[i];
  });
  add("broken_complex", &E::complex_relu2_mul,
      [](const float* gate, const float* up, uint64_t half, uint64_t n, float* y) {
        kElementsScalar.complex_relu2_mul(gate, up, half, n, y);
        for (uint64_t i = 0; i < n; ++i) {
          if (gate[i] < 0 && gate[half + i] > 0) y[half + i] = -y[half + i];
        }
      });
  add("broken_add", &E::add, [](const float* x, uint64_t n, float* y) {
    kElementsScalar.add(x, n, y);
    y[n] = 0;
  });
  add("broken_add_scaled", &E::add_scaled, [](const float* x, float scale, uint64_t n, float* y) {
    for (uint64_t i = 0; i < n; ++i) y[i] += scale * x[i];  // rounded twice
  });
  add("broken_multiply", &E::multiply, [](const float* x, uint64_t n, float* y) {
    kElementsScalar.multiply(x, n / 16 * 16, y);  // no tail
  });
  add("broken_hadamard", &E::hadamard, [](const HadamardShape& shape, uint64_t n, float* x, float* scratch) {
    HadamardShape swapped = shape;  // the transform before the signs
    swapped.signs = nullptr;
    kElementsScalar.hadamard(swapped, n, x, scratch);
    if (shape.signs != nullptr) kElementsScalar.multiply(shape.signs, n, x);
  });
  add("broken_sparse", &E::add_sparse,
      [](const SparseView& w, uint64_t begin, uint64_t end, const float* x, float scale, float* y) {
        kElementsScalar.add_sparse(w, 0 * begin, end, x, scale, y);
      });
  add("broken_nearest", &E::nearest_entry,
      [](const float* x, const float* w, unsigned length, const float* centers, unsigned entries, float* error) {
        std::vector<float> turned;  // the last of equals
        for (unsigned i = 0; i < length; ++i)
          for (unsigned k = entries; k-- > 0;) turned.push_back(centers[i * entries + k]);
        return entries - 1 - kElementsScalar.nearest_entry(x, w, length, turned.data(), entries, error);
      });
  add("broken_entries", &E::entry_errors,
      [](const float* x, const float* w, unsigned length, const float* centers, unsigned entries, float* errors) {
        kElementsScalar.entry_errors(x, w, length, centers, entries, errors);
        errors[entries - 1] = next(errors[entries - 1]);
      });
  add("broken_lower", &E::lower_errors,
      [](const float* x, const float* w, unsigned length, uint64_t stride, uint64_t vectors, const float* entry,
         float* errors) {
        kElementsScalar.lower_errors(x, w, length, stride, vectors / 16 * 16, entry, errors);  // no tail
      });
  add("broken_rows", &E::add_rows,
      [](const float* rows, uint64_t stride, uint64_t count, const float* factors, uint64_t n, float* y) {
        for (uint64_t j = count; j-- > 0;)  // in the wrong order
          kElementsScalar.add_rows(rows + j * stride, stride, 1, factors + j, n, y);
      });
  add("broken_f16", &E::to_f16, [](const float* x, uint64_t n, uint16_t* y) {
    kElementsScalar.to_f16(x, n, y);
    y[n - 1] ^= 1;
  });
  const auto swapped = [](float* x, const float* cos, const float* sin, uint64_t d) {
    kElementsScalar.rope_halves(x, sin, cos, d);
  };
  add("broken_rope", &E::rope_halves, swapped);
  add("broken_pairs", &E::rope_interleaved, swapped);
  return tables;
}

bool is_broken(const LinearKernelEntry& kernel) { return std::string(kernel.name).starts_with("broken_"); }
bool is_broken(const ElementKernels& table) { return std::string(table.isa).starts_with("broken_"); }

}  // namespace test

std::span<const LinearKernelEntry> linear_kernels() {
  using namespace test;
  using enum KernelFamily;
  constexpr EncodingKind trit = EncodingKind::trit, int_ = EncodingKind::int_, dense = EncodingKind::dense;
  constexpr FloatType f32 = FloatType::f32;
  constexpr LinearInput a8 = LinearInput::int8, x = LinearInput::f32;
  static const LinearKernelEntry list[] = {
      {"broken_everywhere", trit, 2, f32, a8, dot, 0, everywhere},
      {"broken_in_last_row", trit, 2, f32, a8, dot, 0, in_last_row},
      {"broken_for_several_tokens", trit, 2, f32, a8, dot, 0, for_several_tokens},
      {"broken_for_long_rows", trit, 2, f32, a8, dot, 0, for_long_rows},
      {"broken_for_row_scales", trit, 2, f32, a8, dot, 0, for_row_scales},
      {"broken_for_many_tokens", trit, 2, f32, a8, dot, 0, for_many_tokens},
      {"broken_beyond_rows", trit, 2, f32, a8, multiplication_free, 0, beyond_rows},
      {"broken_from_tile_0", trit, 2, f32, a8, multiplication_free, 0, from_tile_0},
      {"broken_first_scale", trit, 2, f32, a8, dot, 0, first_scale},
      {"broken_in_one_lane", int_, 8, f32, a8, dot, 0, in_one_lane},
      {"broken_of_codes", int_, 8, f32, x, dot, 0, of_codes},
      {"broken_unfused", dense, 0, f32, x, dot, 0, unfused},
#define TERN_LINEAR(name, kind, bits, value, input, family, needs) \
  {#name,                                                          \
   EncodingKind::kind,                                             \
   bits,                                                           \
   FloatType::value,                                               \
   LinearInput::input,                                             \
   KernelFamily::family,                                           \
   needs,                                                          \
   static_cast<LinearKernel>(name)},
#include "kernels/linear/kernels.inc"
#undef TERN_LINEAR
  };
  return list;
}

// The real tables by the names of their objects, as lists.cc has them.
std::span<const ElementKernels> element_kernels() {
  static const std::vector<ElementKernels> list = [] {
    std::vector<ElementKernels> tables = test::broken_elements();
    tables.resize(2);
    tables.insert(tables.end(), {TERN_ELEMENT_TABLES});
    return tables;
  }();
  return list;
}

}  // namespace tern
