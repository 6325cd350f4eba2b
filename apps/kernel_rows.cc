#include "apps/kernel_rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/model_options.h"
#include "base/cpu.h"

namespace tern::app {
namespace {

double relative_spread(const std::vector<double>& values) {  // half of the middle half
  return (quantile_of(values, 0.75) - quantile_of(values, 0.25)) / 2 / median(values);
}

}  // namespace

std::string part_of(const LinearKernelEntry& kernel, size_t index) {
  const std::string name = kernel.name;
  size_t begin = name.find('_') + 1;
  while (index-- > 0) begin = name.find('_', begin) + 1;
  return name.substr(begin, name.find('_', begin) - begin);
}

Table kernel_table(const std::vector<KernelRow>& rows, const std::string& input) {
  Table table{{{"kernel"},
               {"shape", true},
               {"bits", true},
               {"batch", true},
               {"threads", true},
               {"G weights/s", true},
               {"GB/s", true},
               {"read GB/s", true},
               {"of reading", true},
               {input + " peak", true},
               {"of peak", true}},
              {}};
  for (const KernelRow& row : rows) {
    const bool known = *row.peak != '\0';
    table.rows.push_back(
        {row.kernel->name, fmt::format("{}x{}", row.shape.rows, row.shape.cols), fmt::format("{:.2f}", row.bits),
         std::to_string(row.shape.tokens), std::to_string(row.threads),
         fmt::format("{:.1f} ± {:.0f} %", median(row.weight_rates) / 1e9, 100 * relative_spread(row.weight_rates)),
         fmt::format("{:.2f}", median(row.byte_rates) / 1e9), fmt::format("{:.2f}", median(row.read_rates) / 1e9),
         fmt::format("{:.0f} %", 100 * share(row.byte_rates, row.read_rates)),
         known ? fmt::format("{:.0f}", median(row.peaks) / 1e9) : "-",
         known ? fmt::format("{:.0f} %", 100 * share(row.weight_rates, row.peaks)) : "-"});
  }
  return table;
}

std::vector<Json> kernel_json(const std::vector<KernelRow>& rows) {
  std::vector<Json> list;
  for (const KernelRow& row : rows) {
    const LinearKernelEntry& k = *row.kernel;
    list.push_back({{"version", TERN_VERSION},
                    {"cpu_info", detect_cpu().name},
                    {"kernel", k.name},
                    {"encoding", part_of(k, 0)},
                    {"pack", fmt::format("{:.2f}", row.bits)},
                    {"isa", part_of(k, 3)},
                    {"family", family_name(k.family)},
                    {"op", row.shape.tokens == 1 ? "gemv" : "gemm"},
                    {"rows", row.shape.rows},
                    {"cols", row.shape.cols},
                    {"planes", row.shape.planes},
                    {"group", row.shape.group},
                    {"tile", row.shape.tile},
                    {"length", row.shape.length},
                    {"index_bits", row.shape.index_bits},
                    {"batch", row.shape.tokens},
                    {"threads", row.threads},
                    {"gweights_per_s", median(row.weight_rates) / 1e9},
                    {"spread", relative_spread(row.weight_rates)},
                    {"gbytes_per_s", median(row.byte_rates) / 1e9},
                    {"read_gbytes_per_s", median(row.read_rates) / 1e9},
                    {"share_of_read", share(row.byte_rates, row.read_rates)},
                    {"int8_peak_gmac_per_s", median(row.int8_peaks) / 1e9},
                    {"peak_instruction", row.peak},
                    {"peak_gmac_per_s", median(row.peaks) / 1e9},
                    {"share_of_peak", share(row.weight_rates, row.peaks)},
                    {"samples", row.weight_rates}});
  }
  return list;
}

Roofline roofline_of(const std::vector<KernelRow>& rows, const std::string& input) {
  Roofline plot;
  plot.title = detect_cpu().name, plot.input = input;
  for (const KernelRow& row : rows) {
    plot.read = std::max(plot.read, median(row.read_rates));
    plot.peak = std::max(plot.peak, median(row.peaks));
    plot.points.push_back({row.weights / row.bytes, median(row.weight_rates),
                           fmt::format("{} {} batch {} threads {}", part_of(*row.kernel, 0), part_of(*row.kernel, 2),
                                       row.shape.tokens, row.threads)});
  }
  return plot;
}

}  // namespace tern::app
