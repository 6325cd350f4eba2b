// tern eval: how good a model is. Each measure lives in a file of its own; here is what they share.
#include "apps/eval.h"

#include <fmt/format.h>

#include <filesystem>

namespace tern::app {
namespace {

std::string csv_of(const Facts& facts) {
  Table table{{}, {{}}};
  for (const auto& [key, value] : facts.items()) {
    table.columns.push_back({key});
    table.rows[0].push_back(value.is_string() ? value.get<std::string>() : value.dump());
  }
  return table.csv();
}

}  // namespace

void add_text_flags(CLI::App& verb, TextFlags& flags) {
  verb.add_option("-f,--file", flags.path, "the text")->required();
  verb.add_option("--stride", flags.stride,
                  "tokens from the begin of a window to that of the next; 0: windows do not overlap")
      ->capture_default_str();
  verb.add_option("--limit", flags.limit, "tokens of the text to use; 0: all")->capture_default_str();
  verb.add_flag("--tokens", flags.tokens, "the file holds token ids instead of text");
}

std::string protocol_of(const WindowOptions& o) {
  const std::string begun =
      o.bos >= 0 ? fmt::format("each begun with token {}", o.bos) : "without a token to begin them";
  if (o.stride == 0 || o.stride == o.context - (o.bos >= 0 ? 1 : 0)) {
    return fmt::format(
        "windows of {} positions that do not overlap, {}; every token with a predecessor in its window is scored",
        o.context, begun);
  }
  return fmt::format(
      "windows of {} positions, {}, {} tokens apart; every token with a predecessor is scored once, in the first "
      "window that holds it: in all windows but the first at least {} positions stand before it",
      o.context, begun, o.stride, o.context - o.stride);
}

void add_output_flag(CLI::App& verb, std::string& format) {
  verb.add_option("-o,--output", format, "md, csv or json")
      ->check(CLI::IsMember({"md", "csv", "json"}))
      ->capture_default_str();
}

void show(const Report& report, const std::string& format) {
  if (format == "json")
    fmt::print("{}\n", report.facts.dump(2, ' ', false, Facts::error_handler_t::replace));
  else if (format == "csv")
    fmt::print("{}", csv_of(report.facts));
  else
    fmt::print("{}\n{}", report.table.markdown(), report.notes);
}

Facts arithmetic_facts(const ModelOptions& options) {
  return {{"activations", options.activations}, {"type_k", options.key_type}, {"type_v", options.value_type}};
}

std::string file_name(const std::string& path) { return std::filesystem::path(path).filename().string(); }

std::string with_error(double value, double error, int digits) {
  return fmt::format("{:.{}f} ± {:.{}f}", value, digits, error, digits);
}

std::string speed_note(uint64_t count, const char* what, double seconds, unsigned threads) {
  return fmt::format("{:.1f} {}/s with {} thread{}\n", static_cast<double>(count) / seconds, what, threads,
                     threads == 1 ? "" : "s");
}

void add_eval(CLI::App& root, Action& chosen) {
  CLI::App* eval = root.add_subcommand("eval", "measure the quality of a model");
  eval->require_subcommand(1);
  add_eval_perplexity(*eval, chosen);
  add_eval_kl(*eval, chosen);
  add_eval_choice(*eval, chosen);
}

}  // namespace tern::app
