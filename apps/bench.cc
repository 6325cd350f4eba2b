// tern bench: the speed of models and of kernels, beside the limits of the machine.
#include "apps/bench.h"

#include <fmt/format.h>

#include <cmath>

#include "runtime/eval/statistics.h"

namespace tern::app {
namespace {

Table fields_of(const std::vector<Json>& rows) {
  Table table;
  for (const Json& row : rows) {
    std::vector<std::string> cells;
    table.columns.clear();
    for (const auto& [key, value] : row.items()) {
      if (value.is_array()) continue;
      table.columns.push_back({key});
      cells.push_back(value.is_string() ? value.get<std::string>() : value.dump());
    }
    table.rows.push_back(std::move(cells));
  }
  return table;
}

}  // namespace

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

double deviation(const std::vector<double>& values) {
  if (values.size() < 2) return 0;
  const double m = mean(values);
  double sum = 0;
  for (const double v : values) sum += (v - m) * (v - m);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

double quantile_of(std::vector<double> values, double q) { return values.empty() ? 0 : quantile(values, q); }

double share(const std::vector<double>& values, const std::vector<double>& limits) {
  std::vector<double> ratios;
  for (size_t i = 0; i < values.size(); ++i) ratios.push_back(limits[i] > 0 ? values[i] / limits[i] : 0);
  return median(ratios);
}

void show_rows(const std::vector<Json>& rows, const Table& table, const std::string& format) {
  if (format == "json")
    fmt::print("{}\n", Json(rows).dump(2, ' ', false, Json::error_handler_t::replace));
  else if (format == "csv")
    fmt::print("{}", fields_of(rows).csv());
  else
    fmt::print("{}", table.markdown());
}

void add_rows_flag(CLI::App& verb, std::string& format) {
  verb.add_option("-o,--output", format, "md, csv or json")
      ->check(CLI::IsMember({"md", "csv", "json"}))
      ->capture_default_str();
}

void add_read_flag(CLI::App& verb, unsigned& mebibytes) {
  verb.add_option("--read-buffer", mebibytes, "MiB over which the speed of reading is measured, larger than the caches")
      ->check(CLI::Range(1u, 65536u))
      ->capture_default_str();
}

void add_bench(CLI::App& root, Action& chosen) {
  CLI::App* bench = root.add_subcommand("bench", "measure speed: of a model (the default), or of kernels");
  bench->require_subcommand(0, 1);
  add_bench_model(*bench, chosen);
  add_bench_model(*bench->add_subcommand("model", "prompt reading (pp) and generation (tg); comma lists multiply"),
                  chosen);
  add_bench_kernels(*bench, chosen);
}

}  // namespace tern::app
