// What `tern bench kernels` measured of a kernel, and how it is shown.
#pragma once

#include <string>
#include <vector>

#include "apps/bench.h"
#include "apps/roofline.h"
#include "bench/layer.h"

namespace tern::app {

struct KernelRow {
  const LinearKernelEntry* kernel;
  bench::LayerShape shape;
  unsigned threads;
  double bits, bytes, weights;
  const char* peak;  // instruction that multiplies inputs of this type; empty: none is known
  // Per second, a sample each; int8_peaks is the same as peaks where the input is int8.
  std::vector<double> weight_rates = {}, byte_rates = {}, read_rates = {}, peaks = {}, int8_peaks = {};
};

// "linear_trit2_a8_dot_avx2" -> trit2, a8, dot, avx2.
std::string part_of(const LinearKernelEntry& kernel, size_t index);

// input: the type of the activations, as it stands above the peaks.
Table kernel_table(const std::vector<KernelRow>& rows, const std::string& input);
std::vector<Json> kernel_json(const std::vector<KernelRow>& rows);
// Products per byte of weights against products per second.
Roofline roofline_of(const std::vector<KernelRow>& rows, const std::string& input);

}  // namespace tern::app
