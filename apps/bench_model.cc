// tern bench: whole-model speed as llama-bench measures it: pp reads a prompt in one step, tg makes tokens one
// by one; tokenizing and sampling are left out. Every speed stands beside the memory bandwidth of the same run.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/bandwidth.h"
#include "apps/command.h"
#include "apps/facts.h"
#include "apps/interrupt.h"
#include "apps/model_options.h"
#include "apps/table.h"
#include "apps/terminal.h"
#include "base/cpu.h"
#include "base/random.h"

namespace tern::app {
namespace {

struct BenchFlags {
  std::vector<std::string> models, isas = {"native"}, families = {""}, key_types = {"f16"}, value_types = {"f16"};
  std::vector<uint32_t> prompts = {512}, predictions = {128};
  std::vector<unsigned> threads = {0};
  uint32_t repetitions = 5;
  std::string format = "md";
  ModelOptions common;
};

struct Row {
  ModelOptions options;
  std::string test, kernels;
  uint64_t file_bytes = 0, weights = 0;
  unsigned threads = 0;
  uint32_t tokens = 0;
  std::vector<double> rates;  // tokens per second
  double weight_rate = 0;     // bytes of weights per second: once per step of at most -ub tokens
  double read_bandwidth = 0;  // bytes per second
};

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

// Seconds for one test on an empty sequence.
Result<double> time_once(Session& session, uint32_t tokens, bool generate, Random& random) {
  const uint32_t vocabulary = session.model().config().vocab_size;
  TERN_ASSIGN(const SequenceId sequence, session.add_sequence());
  std::vector<StepToken> step(tokens);
  for (StepToken& t : step) t = {sequence, static_cast<int32_t>(random.below(vocabulary)), generate};
  step.back().want_logits = true;
  const auto go_on = [](const Progress&) { return !interrupted(); };
  const Timer timer;
  const size_t at_once = generate ? 1 : tokens;
  for (size_t i = 0; i < tokens; i += at_once) TERN_TRY(session.step(std::span(step).subspan(i, at_once), go_on));
  const double seconds = timer.seconds();
  TERN_TRY(session.remove(sequence));
  if (interrupted()) return stopped_by_user();
  return seconds;
}

Result<Row> measure(const std::shared_ptr<const Model>& model, Session& session, const ModelOptions& options,
                    uint32_t tokens, bool generate, uint32_t repetitions) {
  Row row;
  row.options = options;
  row.test = fmt::format("{}{}", generate ? "tg" : "pp", tokens);
  row.kernels = join(model->kernels());
  row.file_bytes = model->file().file_bytes();
  row.weights = weight_count(model->file().description());
  row.threads = session.threads();
  row.tokens = tokens;
  Random random(1);
  TERN_TRY(time_once(session, std::min(tokens, generate ? 4u : options.batch), generate, random).status());  // warm-up
  for (uint32_t i = 0; i < repetitions; ++i) {
    TERN_ASSIGN(const double seconds, time_once(session, tokens, generate, random));
    row.rates.push_back(tokens / seconds);
  }
  const double tokens_per_pass = generate ? 1 : tokens / std::ceil(static_cast<double>(tokens) / options.batch);
  row.weight_rate = mean(row.rates) / tokens_per_pass * static_cast<double>(model->bytes_per_token());
  return row;
}

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

Result<std::vector<Row>> measure_all(const BenchFlags& flags) {
  std::vector<Row> rows;
  std::map<unsigned, double> bandwidth;
  uint32_t longest = 1;
  for (const auto* list : {&flags.prompts, &flags.predictions}) {
    for (const uint32_t n : *list) longest = std::max(longest, n);
  }
  for (ModelOptions options : combinations(flags)) {
    options.context = longest;
    TERN_ASSIGN(const auto model, load_model(options));
    TERN_ASSIGN(const auto session, make_session(model, options));
    if (!bandwidth.contains(session->threads()))
      bandwidth[session->threads()] = measure_read_bandwidth(session->threads());
    for (const bool generate : {false, true}) {
      for (const uint32_t tokens : generate ? flags.predictions : flags.prompts) {
        if (tokens == 0) continue;
        TERN_ASSIGN(Row row, measure(model, *session, options, tokens, generate, flags.repetitions));
        row.read_bandwidth = bandwidth[session->threads()];
        rows.push_back(std::move(row));
      }
    }
  }
  return rows;
}

Table table_of(const std::vector<Row>& rows) {
  Table table{{{"model"},
               {"size", true},
               {"params", true},
               {"isa"},
               {"kv"},
               {"threads", true},
               {"test", true},
               {"t/s", true},
               {"weights GB/s", true},
               {"read GB/s", true}},
              {}};
  for (const Row& row : rows) {
    const auto& o = row.options;
    table.rows.push_back(
        {std::filesystem::path(o.path).stem().string(), human_bytes(row.file_bytes), human_count(row.weights),
         o.family.empty() ? o.isa : o.isa + " " + o.family, o.key_type + "/" + o.value_type,
         std::to_string(row.threads), row.test, fmt::format("{:.2f} ± {:.2f}", mean(row.rates), deviation(row.rates)),
         fmt::format("{:.2f}", row.weight_rate / 1e9), fmt::format("{:.2f}", row.read_bandwidth / 1e9)});
  }
  return table;
}

using Json = nlohmann::ordered_json;

// The same fields as llama-bench where they mean the same.
Json json_of(const std::vector<Row>& rows) {
  Json list = Json::array();
  const std::string cpu = detect_cpu().name;
  for (const Row& row : rows) {
    const auto& o = row.options;
    const bool prompt = row.test.starts_with("pp");
    list.push_back({{"version", TERN_VERSION},
                    {"cpu_info", cpu},
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
                    {"n_threads", row.threads},
                    {"test", row.test},
                    {"n_prompt", prompt ? row.tokens : 0},
                    {"n_gen", prompt ? 0 : row.tokens},
                    {"avg_ts", mean(row.rates)},
                    {"stddev_ts", deviation(row.rates)},
                    {"samples_ts", row.rates},
                    {"weights_bytes_per_second", row.weight_rate},
                    {"read_bytes_per_second", row.read_bandwidth}});
  }
  return list;
}

// The JSON fields as columns, without the list of samples.
Table csv_table_of(const std::vector<Row>& rows) {
  Table table;
  for (const Json& object : json_of(rows)) {
    std::vector<std::string> cells;
    table.columns.clear();
    for (const auto& [key, value] : object.items()) {
      if (value.is_array()) continue;
      table.columns.push_back({key});
      cells.push_back(value.is_string() ? value.get<std::string>() : value.dump());
    }
    table.rows.push_back(std::move(cells));
  }
  return table;
}

Status bench(const BenchFlags& flags) {
  TERN_ASSIGN(const auto rows, measure_all(flags));
  if (flags.format == "json")
    fmt::print("{}\n", json_of(rows).dump(2, ' ', false, Json::error_handler_t::replace));
  else if (flags.format == "csv")
    fmt::print("{}", csv_table_of(rows).csv());
  else
    fmt::print("{}", table_of(rows).markdown());
  return {};
}

}  // namespace

void add_bench(CLI::App& root, Action& chosen) {
  const auto o = std::make_shared<BenchFlags>();
  CLI::App* verb =
      root.add_subcommand("bench", "measure prompt reading (pp) and generation (tg); comma lists multiply");
  const auto cache_type = CLI::IsMember({"f16", "f32"});
  verb->add_option("-m,--model", o->models, "model files (.tern)")->required()->delimiter(',');
  verb->add_option("-p,--n-prompt", o->prompts, "tokens of the prompts; 0: none")
      ->delimiter(',')
      ->capture_default_str();
  verb->add_option("-n,--n-gen", o->predictions, "tokens to make; 0: none")->delimiter(',')->capture_default_str();
  verb->add_option("-t,--threads", o->threads, "threads; 0: one per physical core")
      ->delimiter(',')
      ->check(CLI::Range(0u, 4096u))
      ->capture_default_str();
  verb->add_option("-r,--repetitions", o->repetitions, "runs of each test")
      ->check(CLI::Range(1u, 1000u))
      ->capture_default_str();
  verb->add_option("-o,--output", o->format, "md, csv or json")
      ->check(CLI::IsMember({"md", "csv", "json"}))
      ->capture_default_str();
  verb->add_option("--cache-type-k", o->key_types, "-ctk: cached keys as f16 or f32")
      ->delimiter(',')
      ->check(cache_type)
      ->capture_default_str();
  verb->add_option("--cache-type-v", o->value_types, "-ctv: cached values as f16 or f32")
      ->delimiter(',')
      ->check(cache_type)
      ->capture_default_str();
  verb->add_option("--isa", o->isas, "highest instruction sets to use")
      ->delimiter(',')
      ->envname("TERN_ISA")
      ->capture_default_str();
  verb->add_option("--family", o->families, "only kernels of this family: reference, dot or multiplication_free")
      ->delimiter(',');
  add_arithmetic_flags(*verb, o->common);
  verb->callback([o, &chosen] { chosen = [o] { return bench(*o); }; });
}

}  // namespace tern::app
