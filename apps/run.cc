// tern run: a prompt in, text out as it is made.
#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <memory>
#include <random>

#include "apps/command.h"
#include "apps/generation.h"
#include "apps/model_options.h"
#include "apps/terminal.h"
#include "apps/text_input.h"

namespace tern::app {
namespace {

struct RunOptions {
  ModelOptions model;
  std::string prompt, prompt_file;
  int64_t predict = 128, seed = -1;
  SamplerOptions sampler;
  std::vector<std::string> stops;
  bool tokens = false, hide_prompt = false, hash_logits = false;
};

void show(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

// Where generated tokens go: ids, or text through the UTF-8 and stop-string streams.
class Output {
 public:
  Output(const Tokenizer* tokenizer, std::vector<std::string> stops, int32_t last_prompt_token)
      : tokenizer_(tokenizer), stops_(std::move(stops)), previous_(last_prompt_token) {}

  bool token(int32_t id) {
    if (!tokenizer_) {
      show(fmt::format("{}{}", first_ ? "" : " ", id));
      first_ = false;
      return true;
    }
    show(stops_.push(utf8_.push(tokenizer_->piece(id, previous_))));
    previous_ = id;
    return !stops_.stopped();
  }

  void finish() {
    if (tokenizer_ && !stops_.stopped()) {
      show(stops_.push(utf8_.finish()));
      show(stops_.finish());
    }
    show("\n");
  }

 private:
  const Tokenizer* tokenizer_;
  Utf8Stream utf8_;
  StopStrings stops_;
  int32_t previous_;
  bool first_ = true;
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

GenerationOptions generation_options(const RunOptions& options, const Model& model) {
  GenerationOptions result;
  result.predict = options.predict;
  result.sampler = options.sampler;
  result.sampler.seed = options.seed >= 0 ? static_cast<uint64_t>(options.seed) : std::random_device{}();
  result.batch = options.model.batch;
  result.hash_logits = options.hash_logits;
  const auto& tokenizer = model.file().description().tokenizer;
  if (tokenizer) result.stop_ids = tokenizer->stop_ids;
  return result;
}

Status run(const RunOptions& options) {
  std::string prompt = options.prompt;
  if (!options.prompt_file.empty()) {
    TERN_ASSIGN(prompt, read_text(options.prompt_file));
  }
  const Timer load_timer;
  TERN_ASSIGN(const auto model, load_model(options.model));
  std::unique_ptr<Tokenizer> tokenizer;
  if (!options.tokens) {
    TERN_ASSIGN(tokenizer, make_tokenizer(*model));
  }
  TERN_ASSIGN(const auto session, make_session(model, options.model));
  const double load_seconds = load_timer.seconds();
  TERN_ASSIGN(const auto ids, options.tokens ? parse_ids(prompt) : tokenizer->encode(prompt, true));

  const GenerationOptions generation = generation_options(options, *model);
  if (generation.sampler.temperature > 0) fmt::print(stderr, "seed {}\n", generation.sampler.seed);
  if (tokenizer && !options.hide_prompt) show(prompt);
  Output output(tokenizer.get(), options.stops, ids.empty() ? -1 : ids.back());
  TERN_ASSIGN(const Generation result,
              generate(*session, ids, generation, [&](int32_t token) { return output.token(token); }));
  output.finish();
  show_summary(result, *model, session->threads(), load_seconds);
  return result.end == GenerationEnd::interrupted ? stopped_by_user() : Status();
}

void add_sampling_flags(CLI::App& verb, RunOptions& o) {
  const CLI::Validator finite(
      [](std::string& text) {
        return std::isfinite(std::strtod(text.c_str(), nullptr)) ? std::string() : "expected a finite number";
      },
      "");
  verb.add_option("-s,--seed", o.seed, "seed of the random numbers; -1: a random one, printed")->capture_default_str();
  verb.add_option("--temp", o.sampler.temperature, "temperature; 0 or less: greedy")
      ->check(finite)
      ->capture_default_str();
  verb.add_option("--top-k", o.sampler.top_k, "sample from the k best tokens; 0: all")->capture_default_str();
  verb.add_option("--top-p", o.sampler.top_p, "sample from the best tokens that hold this probability; 1: all")
      ->check(finite)
      ->capture_default_str();
  verb.add_option("--min-p", o.sampler.min_p, "drop tokens below this share of the best one's probability")
      ->check(finite)
      ->capture_default_str();
  verb.add_option("--repeat-penalty", o.sampler.repeat_penalty, "divide the logits of recent tokens; 1: off")
      ->check(finite & CLI::PositiveNumber)
      ->capture_default_str();
  verb.add_option("--repeat-last-n", o.sampler.repeat_last_n, "tokens that the penalty looks back on; -1: all")
      ->check(CLI::Range(-1, 1 << 30))
      ->capture_default_str();
}

}  // namespace

void add_run(CLI::App& root, Action& chosen) {
  const auto o = std::make_shared<RunOptions>();
  CLI::App* verb = root.add_subcommand("run", "continue a prompt");
  add_model_flags(*verb, o->model);
  CLI::Option* prompt = verb->add_option("-p,--prompt", o->prompt, "the text to continue");
  verb->add_option("-f,--file", o->prompt_file, "a file with the text to continue")->excludes(prompt);
  verb->add_option("-n,--predict,--n-predict", o->predict, "most tokens to make; -1: until the model stops")
      ->check(CLI::Range(int64_t{-1}, int64_t{1} << 40))
      ->capture_default_str();
  add_sampling_flags(*verb, *o);
  // One value each time, so that what follows is not swallowed.
  verb->add_option("-r,--reverse-prompt", o->stops, "end the text before this string; may be repeated")
      ->expected(1)
      ->take_all();
  verb->add_flag("--tokens", o->tokens, "the prompt is token ids, and so is the output");
  verb->add_flag("--no-display-prompt", o->hide_prompt, "print only what is new");
  verb->add_flag("--logits-hash", o->hash_logits, "print a hash over the logits of every position");
  verb->callback([o, &chosen] { chosen = [o] { return run(*o); }; });
}

}  // namespace tern::app
