// tern run: a prompt in, text out as it is made.
#include <fmt/format.h>

#include <memory>

#include "apps/command.h"
#include "apps/generation.h"
#include "apps/model_options.h"
#include "apps/profile.h"
#include "apps/sampling_options.h"
#include "apps/terminal.h"
#include "apps/text_input.h"
#include "apps/token_output.h"

namespace tern::app {
namespace {

struct RunOptions {
  ModelOptions model;
  SamplingOptions sampling;
  std::string prompt, prompt_file;
  bool tokens = false, hide_prompt = false, hash_logits = false, profile = false;
};

void show_summary(const Generation& g, const Model& model, unsigned threads, double load_seconds) {
  const auto rate = [](uint64_t count, double seconds) {
    return seconds > 0 ? static_cast<double>(count) / seconds : 0;
  };
  const double decode = rate(g.decoded_tokens, g.decode_seconds);
  fmt::print(stderr,
             "load {:.1f} ms; prefill {} tokens, {:.1f} tokens/s; decode {} tokens, {:.1f} tokens/s, {:.2f} GB/s of "
             "weights; {} thread{}\n",
             load_seconds * 1e3, g.prompt_tokens, rate(g.prompt_tokens, g.prefill_seconds), g.decoded_tokens, decode,
             decode * static_cast<double>(model.bytes_per_token()) / 1e9, threads, threads == 1 ? "" : "s");
  fmt::print(stderr, "kernels: {}\n", join(model.kernels()));
  if (g.logits_hash) fmt::print(stderr, "logits hash: {:016x}\n", *g.logits_hash);
  if (g.end == GenerationEnd::context_full) fmt::print(stderr, "stopped: the context is full (-c)\n");
}

Status run(const RunOptions& options) {
  std::string prompt = options.prompt;
  if (!options.prompt_file.empty()) {
    TERN_ASSIGN(prompt, read_text(options.prompt_file));
  }
  if (options.hash_logits && options.model.dense == "onednn")
    return invalid_argument("--logits-hash compares bits, which --dense onednn does not keep");
  Profile profile;
  const Timer load_timer;
  TERN_ASSIGN(const auto model, load_model(options.model));
  std::unique_ptr<Tokenizer> tokenizer;
  if (!options.tokens) {
    TERN_ASSIGN(tokenizer, make_tokenizer(*model, "--tokens"));
  }
  TERN_ASSIGN(const auto session, make_session(model, options.model, options.profile ? &profile : nullptr));
  const double load_seconds = load_timer.seconds();
  TERN_ASSIGN(const auto ids, options.tokens ? parse_ids(prompt) : tokenizer->encode(prompt, true));

  GenerationOptions generation = generation_options(options.sampling, *model);
  generation.batch = options.model.batch;
  generation.hash_logits = options.hash_logits;
  if (tokenizer && !options.hide_prompt) show(prompt);
  TokenOutput output(tokenizer.get(), options.sampling.stops, ids.empty() ? -1 : ids.back());
  TERN_ASSIGN(const SequenceId sequence, session->add_sequence());
  TERN_ASSIGN(const Generation result,
              generate(*session, sequence, ids, generation, [&](int32_t token) { return output.token(token); }));
  output.finish();
  show_summary(result, *model, session->threads(), load_seconds);
  if (options.profile) {
    const Table table = profile_table(profile, *model, result.prefill_seconds + result.decode_seconds);
    fmt::print(stderr, "{}", table.plain());
  }
  return result.end == GenerationEnd::interrupted ? stopped_by_user() : Status();
}

}  // namespace

void add_run(CLI::App& root, Action& chosen) {
  const auto o = std::make_shared<RunOptions>();
  CLI::App* verb = root.add_subcommand("run", "continue a prompt");
  add_model_flags(*verb, o->model);
  CLI::Option* prompt = verb->add_option("-p,--prompt", o->prompt, "the text to continue");
  verb->add_option("-f,--file", o->prompt_file, "a file with the text to continue")->excludes(prompt);
  add_sampling_flags(*verb, o->sampling);
  verb->add_flag("--tokens", o->tokens, "the prompt is token ids, and so is the output");
  verb->add_flag("--no-display-prompt", o->hide_prompt, "print only what is new");
  verb->add_flag("--profile", o->profile, "print where the time of the prompt and of the text went");
  verb->add_flag("--logits-hash", o->hash_logits, "print a hash over the logits of every position");
  verb->callback([o, &chosen] { chosen = [o] { return run(*o); }; });
}

}  // namespace tern::app
