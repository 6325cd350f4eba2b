// tern eval perplexity: how well a model predicts a text, with the protocol beside the number.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/command.h"
#include "apps/interrupt.h"
#include "apps/model_options.h"
#include "apps/table.h"
#include "apps/terminal.h"
#include "apps/text_input.h"
#include "runtime/eval/perplexity.h"

namespace tern::app {
namespace {

struct PerplexityFlags {
  ModelOptions model;
  std::string text, format = "md";
  uint64_t limit = 0;
  bool tokens = false;
};

struct Outcome {
  PerplexityResult result;
  uint64_t text_tokens = 0;
  uint32_t context = 0;
  int32_t bos = -1;
  unsigned threads = 0;
  double seconds = 0;
};

Result<std::vector<int32_t>> read_tokens(const PerplexityFlags& flags, const Model& model) {
  TERN_ASSIGN(const std::string text, read_text(flags.text));
  std::vector<int32_t> ids;
  if (flags.tokens) {
    TERN_ASSIGN(ids, parse_ids(text));
  } else {
    TERN_ASSIGN(const auto tokenizer, make_tokenizer(model));
    TERN_ASSIGN(ids, tokenizer->encode(text, false));
  }
  if (flags.limit && flags.limit < ids.size()) ids.resize(flags.limit);
  return ids;
}

Result<Outcome> measure(const PerplexityFlags& flags) {
  TERN_ASSIGN(const auto model, load_model(flags.model));
  TERN_ASSIGN(const auto session, make_session(model, flags.model));
  TERN_ASSIGN(const auto ids, read_tokens(flags, *model));
  Outcome outcome;
  outcome.text_tokens = ids.size();
  outcome.context = session->context();
  outcome.bos = leading_bos(*model);
  outcome.threads = session->threads();
  const Timer timer;
  ProgressBar bar("perplexity");
  TERN_ASSIGN(outcome.result, perplexity(*session, ids, {outcome.context, outcome.bos}, bar.callback()));
  outcome.seconds = timer.seconds();
  return outcome;
}

std::string protocol_of(const Outcome& o) {
  return fmt::format(
      "windows of {} positions that do not overlap, {}; every token with a predecessor in its window is scored",
      o.context, o.bos >= 0 ? fmt::format("each begun with token {}", o.bos) : "without a token to begin them");
}

void show_table(const PerplexityFlags& flags, const Outcome& o) {
  const Table table{
      {{"model"},
       {"text"},
       {"context", true},
       {"act"},
       {"kv"},
       {"windows", true},
       {"tokens scored", true},
       {"nll", true},
       {"perplexity", true}},
      {{std::filesystem::path(flags.model.path).stem().string(), std::filesystem::path(flags.text).filename().string(),
        std::to_string(o.context), flags.model.activations, flags.model.key_type + "/" + flags.model.value_type,
        std::to_string(o.result.windows), std::to_string(o.result.tokens), fmt::format("{:.5f}", o.result.mean_nll),
        fmt::format("{:.4f} ± {:.4f}", o.result.perplexity, o.result.perplexity_error)}}};
  fmt::print("{}", table.markdown());
  fmt::print("\nprotocol: {}\n{:.1f} tokens/s with {} thread{}\n", protocol_of(o),
             static_cast<double>(o.text_tokens) / o.seconds, o.threads, o.threads == 1 ? "" : "s");
}

nlohmann::ordered_json json_of(const PerplexityFlags& flags, const Outcome& o) {
  return {{"model", flags.model.path},
          {"text", flags.text},
          {"context", o.context},
          {"bos", o.bos},
          {"activations", flags.model.activations},
          {"type_k", flags.model.key_type},
          {"type_v", flags.model.value_type},
          {"text_tokens", o.text_tokens},
          {"windows", o.result.windows},
          {"tokens_scored", o.result.tokens},
          {"mean_nll", o.result.mean_nll},
          {"standard_error", o.result.standard_error},
          {"perplexity", o.result.perplexity},
          {"perplexity_error", o.result.perplexity_error},
          {"protocol", protocol_of(o)},
          {"threads", o.threads},
          {"seconds", o.seconds}};
}

void show_csv(const PerplexityFlags& flags, const Outcome& o) {
  Table table{{}, {{}}};
  const auto facts = json_of(flags, o);
  for (const auto& [key, value] : facts.items()) {
    table.columns.push_back({key});
    table.rows[0].push_back(value.is_string() ? value.get<std::string>() : value.dump());
  }
  fmt::print("{}", table.csv());
}

Status run_perplexity(const PerplexityFlags& flags) {
  const auto outcome = measure(flags);
  if (!outcome.ok()) return interrupted() ? stopped_by_user() : outcome.status();
  using Json = nlohmann::ordered_json;
  if (flags.format == "json")
    fmt::print("{}\n", json_of(flags, *outcome).dump(2, ' ', false, Json::error_handler_t::replace));
  else if (flags.format == "csv")
    show_csv(flags, *outcome);
  else
    show_table(flags, *outcome);
  return {};
}

}  // namespace

void add_eval(CLI::App& root, Action& chosen) {
  CLI::App* eval = root.add_subcommand("eval", "measure the quality of a model");
  eval->require_subcommand(1);
  const auto o = std::make_shared<PerplexityFlags>();
  CLI::App* verb = eval->add_subcommand("perplexity", "perplexity over a text");
  add_model_flags(*verb, o->model);
  verb->add_option("-f,--file", o->text, "the text")->required();
  verb->add_option("--limit", o->limit, "tokens of the text to use; 0: all")->capture_default_str();
  verb->add_flag("--tokens", o->tokens, "the file holds token ids instead of text");
  verb->add_option("-o,--output", o->format, "md, csv or json")
      ->check(CLI::IsMember({"md", "csv", "json"}))
      ->capture_default_str();
  verb->callback([o, &chosen] { chosen = [o] { return run_perplexity(*o); }; });
}

}  // namespace tern::app
