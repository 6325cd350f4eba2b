// From CPU features and a weight's encoding to a kernel: a pure function over the kernel list.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/cpu.h"
#include "kernels/linear/linear.h"

namespace tern {

struct LinearKernelEntry {
  const char* name;  // linear_<encoding>_<input>_<family>_<isa>: "linear_trit2_a8_dot_avx512vnni"
  EncodingKind encoding;
  uint8_t bits;  // as Encoding::bits; dense, phase: 0; vector: most bits of an index, 8 or 16, or 0 for the output axis
  FloatType value_type;  // dense only
  LinearInput input;
  KernelFamily family;
  CpuFeatures needs;  // features without which it must not run; 0: the scalar reference
  LinearKernel run;
};

// Every linear kernel compiled into this build, best first for each (encoding, input).
std::span<const LinearKernelEntry> linear_kernels();

// The first kernel of the list that fits. `family`: only kernels of that family (the scalar reference
// counts as any). `works`: asked last, about a kernel that would be taken; false passes on to the next.
// Null if the encoding has no kernel at all.
const LinearKernelEntry* select_linear(const Encoding& encoding, LinearInput input, CpuFeatures features,
                                       std::optional<KernelFamily> family = std::nullopt,
                                       const std::function<bool(const LinearKernelEntry&)>& works = {});

// The rule that orders the two families for what `chosen` computes, and what it rests on, as `tern cpu` shows it; empty
// where there is one family. All kernels give the same bits, so that a wrong guess costs time alone.
std::string_view family_rule(const LinearKernelEntry& chosen);

// Kernels that are not linear layers come as one table per ISA, all with the same bits.
struct ElementKernels {
  const char* isa;
  CpuFeatures needs;
  // y[i] = x[i] / sqrt(mean(x^2) + eps) * weight[i]; weight may be null (all ones). y may be x.
  void (*rms_norm)(const float* x, const float* weight, float eps, uint64_t n, float* y);
  // Rounds one token to int8 in `groups` groups of group_cols real columns stored with padded_group_cols:
  // m = max(max|x|, 1e-5); scale = m / 127; code = round_half_even(x * (127 / m)); sums = sum of codes.
  void (*quantize_int8)(const float* x, uint64_t cols, uint64_t groups, uint64_t group_cols, uint64_t padded_group_cols,
                        int8_t* codes, float* scales, int32_t* sums);
  void (*silu_mul)(const float* gate, const float* up, uint64_t n, float* y);   // silu(gate) * up
  void (*relu2_mul)(const float* gate, const float* up, uint64_t n, float* y);  // max(0, gate)^2 * up
  // conj(a) up over n complex numbers, imaginary parts `half` values behind the real ones; a: Re(gate)^2 + i
  // Im(gate)^2, or 0 where both are negative.
  void (*complex_relu2_mul)(const float* gate, const float* up, uint64_t half, uint64_t n, float* y);
  void (*add)(const float* x, uint64_t n, float* y);                      // y += x
  void (*add_scaled)(const float* x, float scale, uint64_t n, float* y);  // y = fma(scale, x, y)
  void (*multiply)(const float* x, uint64_t n, float* y);                 // y *= x
  void (*to_f16)(const float* x, uint64_t n, uint16_t* y);                // as f32_to_f16 of base/half.h
  // Rotates one head of d values by precomputed cos/sin of d/2 angles, in place.
  void (*rope_halves)(float* x, const float* cos, const float* sin, uint64_t d);
  void (*rope_interleaved)(float* x, const float* cos, const float* sin, uint64_t d);
  // `count` query heads over one block of the cache; see kernels/attention/attention.h.
  void (*attend_block)(const struct AttentionBlock& block, struct AttentionQuery* queries, uint64_t count,
                       std::byte* scratch);
  // One row of n values in place; scratch: n floats. See kernels/hadamard/hadamard.h.
  void (*hadamard)(const struct HadamardShape& shape, uint64_t n, float* x, float* scratch);
  // Rows [begin, end) of a sparse term for one token; see kernels/sparse/sparse.h.
  void (*add_sparse)(const struct SparseView& w, uint64_t begin, uint64_t end, const float* x, float scale, float* y);
  // The converter's: QuantizeKernels of formats/quantize/quantize_kernels.h.
  unsigned (*nearest_entry)(const float* x, const float* weights, unsigned length, const float* centers,
                            unsigned entries, float* error);
  void (*entry_errors)(const float* x, const float* weights, unsigned length, const float* centers, unsigned entries,
                       float* errors);
  void (*lower_errors)(const float* x, const float* weights, unsigned length, uint64_t stride, uint64_t vectors,
                       const float* entry, float* errors);
  void (*add_rows)(const float* rows, uint64_t stride, uint64_t count, const float* factors, uint64_t n, float* y);
};

std::span<const ElementKernels> element_kernels();  // best first, scalar last
// The scalar table is never asked about.
const ElementKernels& select_elements(CpuFeatures features,
                                      const std::function<bool(const ElementKernels&)>& works = {});

// The self-check that loading a model passes as `works`: whether a kernel gives the bits of the scalar reference on
// this CPU (self_check.h). Takes a millisecond or two, once per kernel and process; threads may ask at once.
// REQUIRES an entry of the lists above that this CPU runs. Throws std::bad_alloc.
bool agrees_with_reference(const LinearKernelEntry& kernel);
bool agrees_with_reference(const ElementKernels& kernels);

}  // namespace tern
