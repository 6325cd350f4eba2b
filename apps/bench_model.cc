// tern bench model: whole-model speed as llama-bench measures it: pp reads a prompt in one step, tg makes tokens one
// by one; tokenizing and sampling are left out. Each run is followed by the machine's limits, so that every speed
// stands beside what memory and cores gave at that moment.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <memory>

#include "apps/bench.h"
#include "apps/facts.h"
#include "apps/interrupt.h"
#include "apps/model_options.h"
#include "apps/profile.h"
#include "apps/terminal.h"
#include "base/cpu.h"
#include "base/random.h"
#include "bench/limits.h"

namespace tern::app {
namespace {

struct BenchFlags {
  std::vector<std::string> models, isas = {"native"}, families = {""}, key_types = {"f16"}, value_types = {"f16"};
  std::vector<uint32_t> prompts = {512}, predictions = {128}, depths = {0};
  std::vector<unsigned> threads = {0};
  uint32_t repetitions = 5;
  std::string format = "md";
  bool profile = false;
  unsigned read = 256;
  ModelOptions common;
};

struct Test {
  bool generate;
  uint32_t tokens, depth;
  std::string name() const {
    const std::string at = depth ? fmt::format(" @ d{}", depth) : "";
    return fmt::format("{}{}{}", generate ? "tg" : "pp", tokens, at);
  }
};

struct ModelRow {
  ModelOptions options;
  Test test;
  std::string kernels;
  uint64_t file_bytes = 0, weights = 0, cache_bytes = 0;
  unsigned threads = 0;
  // A sample each, in turns, per second: tokens, bytes of weights, bytes of reading; products of the layers and the
  // peak.
  std::vector<double> rates, weight_rates, read_rates, product_rates, peaks;
};

// One model on one team of threads.
class Bench {
 public:
  Bench(const ModelOptions& options, std::shared_ptr<const Model> model, std::unique_ptr<Session> session,
        Profile* profile, CpuFeatures features, unsigned read)
      : options_(options),
        model_(std::move(model)),
        session_(std::move(session)),
        profile_(profile),
        peak_(select_peak(LinearInput::int8, features)),
        team_(session_->threads()),
        limit_(team_, uint64_t{read} << 20) {}

  Result<ModelRow> measure(const Test& test, uint32_t repetitions) {
    ModelRow row;
    row.options = options_, row.test = test;
    row.kernels = join(model_->kernels());
    row.file_bytes = model_->file().file_bytes();
    row.weights = weight_count(model_->file().description());
    row.threads = session_->threads();
    TERN_ASSIGN(const SequenceId before, session_->add_sequence());
    TERN_TRY(run(before, test.depth, false));
    TERN_TRY(time_once({test.generate, std::min(test.tokens, test.generate ? 4u : options_.batch), 0}, before, row)
                 .status());  // warm-up
    if (profile_) *profile_ = {};
    double all = 0;
    for (uint32_t i = 0; i < repetitions; ++i) {
      TERN_ASSIGN(const double seconds, time_once(test, before, row));
      all += seconds;
      const double passes = test.generate ? test.tokens : std::ceil(static_cast<double>(test.tokens) / options_.batch);
      row.rates.push_back(test.tokens / seconds);
      row.weight_rates.push_back(passes * static_cast<double>(model_->bytes_per_token()) / seconds);
      row.product_rates.push_back(test.tokens / seconds * static_cast<double>(model_->products_per_token()));
      row.read_rates.push_back(limit_.measure());
      row.peaks.push_back(bench::measure_peak(team_, peak_));
    }
    TERN_TRY(session_->remove(before));
    if (profile_)
      fmt::print(stderr, "{}, {}\n{}\n", test.name(), options_.path, profile_table(*profile_, *model_, all).plain());
    return row;
  }

 private:
  // Random tokens appended to a sequence.
  Status run(SequenceId sequence, uint32_t tokens, bool generate) {
    if (tokens == 0) return {};
    const uint32_t vocabulary = model_->config().vocab_size;
    std::vector<StepToken> step(tokens);
    for (StepToken& t : step) t = {sequence, static_cast<int32_t>(random_.below(vocabulary)), generate};
    step.back().want_logits = true;
    const auto go_on = [](const Progress&) { return !interrupted(); };
    const size_t at_once = generate ? 1 : tokens;
    for (size_t i = 0; i < tokens; i += at_once) TERN_TRY(session_->step(std::span(step).subspan(i, at_once), go_on));
    return {};
  }

  // Seconds for one test after what `before` holds.
  Result<double> time_once(const Test& test, SequenceId before, ModelRow& row) {
    TERN_ASSIGN(const SequenceId sequence, session_->fork(before));
    const Timer timer;
    const Status status = run(sequence, test.tokens, test.generate);
    const double seconds = timer.seconds();
    row.cache_bytes = session_->cache_bytes();
    TERN_TRY(session_->remove(sequence));
    if (interrupted()) return stopped_by_user();
    TERN_TRY(status);
    return seconds;
  }

  ModelOptions options_;
  std::shared_ptr<const Model> model_;
  std::unique_ptr<Session> session_;
  Profile* profile_;
  const Peak* peak_;
  ThreadTeam team_;
  bench::ReadLimit limit_;
  Random random_{1};
};

std::vector<ModelOptions> combinations(const BenchFlags& flags) {
  std::vector<ModelOptions> all;
  for (const auto& model : flags.models)
    for (const auto& isa : flags.isas)
      for (const auto& family : flags.families)
        for (const auto& key : flags.key_types)
          for (const auto& value : flags.value_types)
            for (const unsigned threads : flags.threads) {
              ModelOptions one = flags.common;
              one.path = model, one.isa = isa, one.family = family, one.key_type = key, one.value_type = value;
              one.threads = threads;
              all.push_back(one);
            }
  return all;
}

std::vector<Test> tests_of(const BenchFlags& flags) {
  std::vector<Test> tests;
  for (const bool generate : {false, true})
    for (const uint32_t tokens : generate ? flags.predictions : flags.prompts)
      for (const uint32_t depth : flags.depths)
        if (tokens != 0) tests.push_back({generate, tokens, depth});
  return tests;
}

Result<std::vector<ModelRow>> measure_models(const BenchFlags& flags) {
  std::vector<ModelRow> rows;
  const std::vector<Test> tests = tests_of(flags);
  uint32_t longest = 1;
  for (const Test& test : tests) longest = std::max(longest, test.depth + test.tokens);
  for (ModelOptions options : combinations(flags)) {
    options.context = longest;
    Profile profile;
    Profile* const used = flags.profile ? &profile : nullptr;
    TERN_ASSIGN(const CpuFeatures features, cap_features(detect_cpu().features, options.isa));
    TERN_ASSIGN(const auto model, load_model(options));
    TERN_ASSIGN(auto session, make_session(model, options, used));
    Bench bench(options, model, std::move(session), used, features, flags.read);
    for (const Test& test : tests) {
      TERN_ASSIGN(ModelRow row, bench.measure(test, flags.repetitions));
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

Table model_table(const std::vector<ModelRow>& rows) {
  Table table{{{"model"},
               {"size", true},
               {"params", true},
               {"isa"},
               {"kv"},
               {"threads", true},
               {"test", true},
               {"t/s", true},
               {"weights GB/s", true},
               {"read GB/s", true},
               {"of reading", true},
               {"of int8 peak", true}},
              {}};
  for (const ModelRow& row : rows) {
    const auto& o = row.options;
    table.rows.push_back({std::filesystem::path(o.path).stem().string(), human_bytes(row.file_bytes),
                          human_count(row.weights), o.family.empty() ? o.isa : o.isa + " " + o.family,
                          o.key_type + "/" + o.value_type, std::to_string(row.threads), row.test.name(),
                          fmt::format("{:.2f} ± {:.2f}", mean(row.rates), deviation(row.rates)),
                          fmt::format("{:.2f}", median(row.weight_rates) / 1e9),
                          fmt::format("{:.2f}", median(row.read_rates) / 1e9),
                          fmt::format("{:.0f} %", 100 * share(row.weight_rates, row.read_rates)),
                          fmt::format("{:.0f} %", 100 * share(row.product_rates, row.peaks))});
  }
  return table;
}

// The same fields as llama-bench where they mean the same.
std::vector<Json> model_json(const std::vector<ModelRow>& rows) {
  std::vector<Json> list;
  const std::string cpu = detect_cpu().name;
  for (const ModelRow& row : rows) {
    const auto& o = row.options;
    const bool prompt = !row.test.generate;
    list.push_back({{"version", TERN_VERSION},
                    {"cpu_info", cpu},
                    {"model", std::filesystem::path(o.path).stem().string()},
                    {"model_filename", o.path},
                    {"model_size", row.file_bytes},
                    {"model_n_params", row.weights},
                    {"isa", o.isa},
                    {"family", o.family},
                    {"kernels", row.kernels},
                    {"activations", o.activations},
                    {"type_k", o.key_type},
                    {"type_v", o.value_type},
                    {"n_ubatch", o.batch},
                    {"threads", row.threads},
                    {"test", row.test.name()},
                    {"n_prompt", prompt ? row.test.tokens : 0},
                    {"n_gen", prompt ? 0 : row.test.tokens},
                    {"n_depth", row.test.depth},
                    {"tokens_per_s", mean(row.rates)},
                    {"stddev", deviation(row.rates)},
                    {"samples_ts", row.rates},
                    {"gbytes_per_s", median(row.weight_rates) / 1e9},
                    {"read_gbytes_per_s", median(row.read_rates) / 1e9},
                    {"share_of_read", share(row.weight_rates, row.read_rates)},
                    {"int8_peak_gmac_per_s", median(row.peaks) / 1e9},
                    {"share_of_int8_peak", share(row.product_rates, row.peaks)},
                    {"kv_cache_bytes", row.cache_bytes}});
  }
  return list;
}

Status bench(const BenchFlags& flags) {
  if (flags.models.empty()) return invalid_argument("--model is required");
  TERN_ASSIGN(const auto rows, measure_models(flags));
  show_rows(model_json(rows), model_table(rows), flags.format);
  return {};
}

}  // namespace

void add_bench_model(CLI::App& verb, Action& chosen) {
  const auto o = std::make_shared<BenchFlags>();
  const auto cache_type = CLI::IsMember({"f16", "f32"});
  verb.add_option("-m,--model", o->models, "model files (.tern)")->delimiter(',');
  verb.add_option("-p,--n-prompt", o->prompts, "tokens of the prompts; 0: none")->delimiter(',')->capture_default_str();
  verb.add_option("-n,--n-gen", o->predictions, "tokens to make; 0: none")->delimiter(',')->capture_default_str();
  verb.add_option("-d,--n-depth", o->depths, "tokens that the sequence holds before")
      ->delimiter(',')
      ->capture_default_str();
  verb.add_option("-t,--threads", o->threads, "threads; 0: one per physical core, of fast and slow cores the fast")
      ->delimiter(',')
      ->check(CLI::Range(0u, 4096u))
      ->capture_default_str();
  verb.add_option("-r,--repetitions", o->repetitions, "runs of each test, each followed by the limits")
      ->check(CLI::Range(1u, 1000u))
      ->capture_default_str();
  add_read_flag(verb, o->read);
  add_rows_flag(verb, o->format);
  verb.add_flag("--profile", o->profile, "print where the time of each test went");
  verb.add_option("--cache-type-k", o->key_types, "-ctk: cached keys as f16 or f32")
      ->delimiter(',')
      ->check(cache_type)
      ->capture_default_str();
  verb.add_option("--cache-type-v", o->value_types, "-ctv: cached values as f16 or f32")
      ->delimiter(',')
      ->check(cache_type)
      ->capture_default_str();
  verb.add_option("--isa", o->isas, "highest instruction sets to use")
      ->delimiter(',')
      ->envname("TERN_ISA")
      ->capture_default_str();
  verb.add_option("--family", o->families, "only kernels of this family: reference, dot or multiplication_free")
      ->delimiter(',');
  add_arithmetic_flags(verb, o->common);
  verb.callback([o, &verb, &chosen] {
    if (verb.get_subcommands().empty()) chosen = [o] { return bench(*o); };
  });
}

}  // namespace tern::app
