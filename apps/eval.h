// What the verbs below `tern eval` share: a text as tokens, the protocol of its windows in words, a result in three
// formats.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "apps/command.h"
#include "apps/model_options.h"
#include "apps/table.h"
#include "apps/text_input.h"
#include "runtime/eval/windows.h"

namespace tern::app {

void add_eval_perplexity(CLI::App& eval, Action& chosen);
void add_eval_kl(CLI::App& eval, Action& chosen);
void add_eval_choice(CLI::App& eval, Action& chosen);

struct TextFlags : TextSource {
  uint32_t stride = 0;
};

void add_text_flags(CLI::App& verb, TextFlags& flags);

// What is read and scored, in a sentence. options.context is not 0.
std::string protocol_of(const WindowOptions& options);

using Facts = nlohmann::ordered_json;

struct Report {
  Table table;        // -o md
  std::string notes;  // below the table
  Facts facts;        // -o json, and in one row -o csv
};

void add_output_flag(CLI::App& verb, std::string& format);
void show(const Report& report, const std::string& format);

// The flags that change what is computed.
Facts arithmetic_facts(const ModelOptions& options);

std::string file_name(const std::string& path);
std::string with_error(double value, double error, int digits);  // "5.6490 ± 0.2230"
std::string speed_note(uint64_t count, const char* what, double seconds, unsigned threads);

// Measures, then shows; after Ctrl-C there is nothing to show.
template <class Measure>
Status measure_and_show(const std::string& format, Measure measure) {
  const Result<Report> report = measure();
  if (report.ok()) {
    show(*report, format);
    return {};
  }
  return report.status().code() == Code::aborted ? stopped_by_user() : report.status();
}

}  // namespace tern::app
