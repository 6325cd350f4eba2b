// tern eval kl: how far a model's predictions are from those of the model that it was made from.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "apps/eval.h"
#include "apps/terminal.h"
#include "runtime/eval/divergence.h"

namespace tern::app {
namespace {

struct KlFlags {
  ModelOptions model;
  std::string base, format = "md";
  TextFlags text;
};

struct KlRun {
  DivergenceResult result;
  WindowOptions windows;
  uint64_t text_tokens = 0;
  unsigned threads = 0;
  double seconds = 0;
};

Table kl_table(const KlFlags& flags, const KlRun& run) {
  const DivergenceResult& r = run.result;
  const auto percent = [](double value, double error) { return with_error(100 * value, 100 * error, 3) + " %"; };
  return {{{"base " + file_name(flags.base)}, {file_name(flags.model.path), true}},
          {{"text", file_name(flags.text.path)},
           {"windows", std::to_string(r.windows)},
           {"tokens scored", std::to_string(r.tokens)},
           {"mean KL, nats", with_error(r.mean_kl, r.mean_kl_error, 6)},
           {"median KL", fmt::format("{:.6f}", r.median_kl)},
           {"99th percentile of KL", fmt::format("{:.6f}", r.kl_99)},
           {"largest KL", fmt::format("{:.6f}", r.largest_kl)},
           {"same most likely token", percent(r.same_top, r.same_top_error)},
           {"mean dp", percent(r.mean_dp, r.mean_dp_error)},
           {"mean absolute dp", percent(r.mean_absolute_dp, r.mean_absolute_dp_error)},
           {"RMS dp", fmt::format("{:.3f} %", 100 * r.rms_dp)},
           {"perplexity of the base", with_error(r.base_perplexity, r.base_perplexity_error, 4)},
           {"perplexity", with_error(r.perplexity, r.perplexity_error, 4)},
           {"log of their ratio", with_error(r.nll_difference, r.nll_difference_error, 6)}}};
}

Facts kl_facts(const KlFlags& flags, const KlRun& run) {
  const DivergenceResult& r = run.result;
  Facts facts = {{"model", flags.model.path},      {"base", flags.base},     {"text", flags.text.path},
                 {"context", run.windows.context}, {"bos", run.windows.bos}, {"stride", run.windows.stride}};
  facts.update(arithmetic_facts(flags.model));
  facts.update({{"text_tokens", run.text_tokens},
                {"windows", r.windows},
                {"tokens_scored", r.tokens},
                {"mean_kl", r.mean_kl},
                {"mean_kl_error", r.mean_kl_error},
                {"median_kl", r.median_kl},
                {"kl_99", r.kl_99},
                {"largest_kl", r.largest_kl},
                {"same_top", r.same_top},
                {"same_top_error", r.same_top_error},
                {"mean_dp", r.mean_dp},
                {"mean_dp_error", r.mean_dp_error},
                {"mean_absolute_dp", r.mean_absolute_dp},
                {"mean_absolute_dp_error", r.mean_absolute_dp_error},
                {"rms_dp", r.rms_dp},
                {"base_mean_nll", r.base_nll},
                {"mean_nll", r.nll},
                {"nll_difference", r.nll_difference},
                {"nll_difference_error", r.nll_difference_error},
                {"base_perplexity", r.base_perplexity},
                {"base_perplexity_error", r.base_perplexity_error},
                {"perplexity", r.perplexity},
                {"perplexity_error", r.perplexity_error},
                {"protocol", protocol_of(run.windows)},
                {"threads", run.threads},
                {"seconds", run.seconds}});
  return facts;
}

Status check_tokenizers(const KlFlags& flags, const Model& base, const Model& model) {
  TERN_TRY(check_same_vocabulary(base, model));
  if (flags.text.tokens || base.file().description().tokenizer) return {};
  return not_found(
      fmt::format("{}: the file holds no tokenizer to compare with that of {}; give token ids with --tokens, or "
                  "convert again with --tokenizer",
                  flags.base, flags.model.path));
}

Result<Report> measure_kl(const KlFlags& flags) {
  TERN_ASSIGN(const std::string text, read_text(flags.text.path));
  ModelOptions options = flags.model, base_options = flags.model;
  base_options.path = flags.base;
  base_options.stages = 0;  // are asked of the model alone
  TERN_ASSIGN(const auto base, load_model(base_options));
  TERN_ASSIGN(const auto model, load_model(options));
  TERN_TRY(check_tokenizers(flags, *base, *model));
  if (options.context == 0) options.context = std::min(base->config().context, model->config().context);
  base_options.context = options.context;
  TERN_ASSIGN(const auto base_session, make_session(base, base_options));
  TERN_ASSIGN(const auto session, make_session(model, options));
  TERN_ASSIGN(const auto ids, tokens_of(text, flags.text, *model, "--tokens"));
  KlRun run;
  run.windows = {options.context, std::max(leading_bos(*base), leading_bos(*model)), flags.text.stride};
  run.text_tokens = ids.size();
  run.threads = session->threads();
  const Timer timer;
  {
    ProgressBar bar("compare");
    TERN_ASSIGN(run.result, divergence(*base_session, *session, ids, run.windows, bar.callback()));
  }
  run.seconds = timer.seconds();
  const std::string notes = fmt::format(
      "KL: sum of p log(p / q), p the base's probabilities and q the model's; dp: q - p of the token that "
      "follows\nprotocol: {}\n{}",
      protocol_of(run.windows), speed_note(run.text_tokens, "tokens", run.seconds, run.threads));
  return Report{kl_table(flags, run), notes, kl_facts(flags, run)};
}

}  // namespace

void add_eval_kl(CLI::App& eval, Action& chosen) {
  const auto o = std::make_shared<KlFlags>();
  CLI::App* verb = eval.add_subcommand("kl", "KL divergence and agreement with a base model over a text");
  add_model_flags(*verb, o->model);
  verb->add_option("--base", o->base, "the model to compare with (.tern); the other flags hold for both")->required();
  add_text_flags(*verb, o->text);
  add_output_flag(*verb, o->format);
  verb->callback(
      [o, &chosen] { chosen = [o] { return measure_and_show(o->format, [&] { return measure_kl(*o); }); }; });
}

}  // namespace tern::app
