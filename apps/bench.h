// What the verbs below `tern bench` share: samples and what is said of them.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/command.h"
#include "apps/table.h"

namespace tern::app {

// `tern bench` is `tern bench model`; a name of its own keeps both apart.
void add_bench_model(CLI::App& verb, Action& chosen);
void add_bench_kernels(CLI::App& bench, Action& chosen);

using Json = nlohmann::ordered_json;

double mean(const std::vector<double>& values);       // 0 of none
double deviation(const std::vector<double>& values);  // standard deviation; 0 of fewer than two
double quantile_of(std::vector<double> values, double q);
inline double median(const std::vector<double>& values) { return quantile_of(values, 0.5); }

// Median of values[i] / limits[i], which were measured in turns.
double share(const std::vector<double>& values, const std::vector<double>& limits);

// Rows of equal fields: md shows `table`, csv the fields without lists, json all.
void show_rows(const std::vector<Json>& rows, const Table& table, const std::string& format);
void add_rows_flag(CLI::App& verb, std::string& format);  // -o
void add_read_flag(CLI::App& verb, unsigned& mebibytes);  // --read-buffer

}  // namespace tern::app
