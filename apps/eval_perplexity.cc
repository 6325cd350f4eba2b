// tern eval perplexity: how well a model predicts a text, with the protocol beside the number.
#include "runtime/eval/perplexity.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "apps/eval.h"
#include "apps/terminal.h"

namespace tern::app {
namespace {

struct PerplexityFlags {
  ModelOptions model;
  TextFlags text;
  std::string format = "md";
};

struct PerplexityRun {
  PerplexityResult result;
  WindowOptions windows;
  uint64_t text_tokens = 0;
  unsigned threads = 0;
  double seconds = 0;
};

Table perplexity_table(const PerplexityFlags& flags, const PerplexityRun& run) {
  return {{{"model"},
           {"text"},
           {"context", true},
           {"act"},
           {"kv"},
           {"windows", true},
           {"tokens scored", true},
           {"nll", true},
           {"perplexity", true}},
          {{std::filesystem::path(flags.model.path).stem().string(), file_name(flags.text.path),
            std::to_string(run.windows.context), flags.model.activations,
            flags.model.key_type + "/" + flags.model.value_type, std::to_string(run.result.windows),
            std::to_string(run.result.tokens), fmt::format("{:.5f}", run.result.mean_nll),
            with_error(run.result.perplexity, run.result.perplexity_error, 4)}}};
}

Facts perplexity_facts(const PerplexityFlags& flags, const PerplexityRun& run) {
  Facts facts = {{"model", flags.model.path},
                 {"text", flags.text.path},
                 {"context", run.windows.context},
                 {"bos", run.windows.bos},
                 {"stride", run.windows.stride}};
  facts.update(arithmetic_facts(flags.model));
  facts.update({{"text_tokens", run.text_tokens},
                {"windows", run.result.windows},
                {"tokens_scored", run.result.tokens},
                {"mean_nll", run.result.mean_nll},
                {"standard_error", run.result.standard_error},
                {"perplexity", run.result.perplexity},
                {"perplexity_error", run.result.perplexity_error},
                {"protocol", protocol_of(run.windows)},
                {"threads", run.threads},
                {"seconds", run.seconds}});
  return facts;
}

Result<Report> measure_perplexity(const PerplexityFlags& flags) {
  TERN_ASSIGN(const std::string text, read_text(flags.text.path));
  TERN_ASSIGN(const auto model, load_model(flags.model));
  TERN_ASSIGN(const auto session, make_session(model, flags.model));
  TERN_ASSIGN(const auto ids, tokens_of(text, flags.text, *model, "--tokens"));
  PerplexityRun run;
  run.windows = {session->context(), leading_bos(*model), flags.text.stride};
  run.text_tokens = ids.size();
  run.threads = session->threads();
  const Timer timer;
  {
    ProgressBar bar("perplexity");
    TERN_ASSIGN(run.result, perplexity(*session, ids, run.windows, bar.callback()));
  }
  run.seconds = timer.seconds();
  const std::string notes = fmt::format("protocol: {}\n{}", protocol_of(run.windows),
                                        speed_note(run.text_tokens, "tokens", run.seconds, run.threads));
  return Report{perplexity_table(flags, run), notes, perplexity_facts(flags, run)};
}

}  // namespace

void add_eval_perplexity(CLI::App& eval, Action& chosen) {
  const auto o = std::make_shared<PerplexityFlags>();
  CLI::App* verb = eval.add_subcommand("perplexity", "perplexity over a text");
  add_model_flags(*verb, o->model);
  add_text_flags(*verb, o->text);
  add_output_flag(*verb, o->format);
  verb->callback(
      [o, &chosen] { chosen = [o] { return measure_and_show(o->format, [&] { return measure_perplexity(*o); }); }; });
}

}  // namespace tern::app
