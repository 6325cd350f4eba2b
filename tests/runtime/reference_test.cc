// Published and self-made references: checkpoints of ../shared are imported, converted and run, and their logits
// compared with those of other implementations. Skipped, by name, where ../shared is absent.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "tests/runtime/checkpoint_run.h"
#include "tests/runtime/tiny_model.h"
#include "tests/shared_data.h"

namespace tern {
namespace {

using nlohmann::json;
using test::convert_and_load;
using test::have_shared;
using test::load_f32;
using test::read_json;
using test::relative_error;
using test::run;
using test::Scratch;
using test::shared_path;

using Top = std::vector<std::pair<int32_t, double>>;

// One run of a reference: tokens fed, and after each from `first` on the five best logits.
struct Trace {
  std::vector<int32_t> tokens;
  size_t first = 0;
  std::vector<Top> top;
};

struct Agreement {
  double worst = 0, first = 0;   // error relative to the largest of the five: of all positions, of the first
  std::vector<size_t> ties;      // positions where the order differs and the reference's gap is below `tie`
  std::vector<size_t> disagree;  // positions where it differs beyond that
};

Agreement compare(const std::vector<std::vector<float>>& logits, const Trace& trace, double tie) {
  Agreement result;
  for (size_t i = 0; i < trace.top.size(); ++i) {
    const std::vector<float>& row = logits[trace.first + i];
    const Top& top = trace.top[i];
    std::vector<int32_t> order(row.size());
    for (size_t j = 0; j < order.size(); ++j) order[j] = static_cast<int32_t>(j);
    std::partial_sort(order.begin(), order.begin() + 5, order.end(),
                      [&](int32_t a, int32_t b) { return row[a] > row[b] || (row[a] == row[b] && a < b); });
    double largest = 0, gap = 0;
    bool same = true;
    for (size_t j = 0; j < top.size(); ++j) {
      largest = std::max(largest, std::fabs(top[j].second));
      if (order[j] == top[j].first) continue;
      same = false;
      const auto other = std::find_if(top.begin(), top.end(), [&](const auto& p) { return p.first == order[j]; });
      gap = std::max(gap, std::fabs((other != top.end() ? other : top.end() - 1)->second - top[j].second));
    }
    for (const auto& [id, value] : top) result.worst = std::max(result.worst, std::fabs(row[id] - value) / largest);
    if (i == 0) result.first = result.worst;
    if (!same) (gap <= tie ? result.ties : result.disagree).push_back(trace.first + i);
  }
  return result;
}

std::string list(const std::vector<size_t>& positions) {
  std::string text;
  for (size_t p : positions) text.append(" ").append(std::to_string(p));
  return text;
}

// Float models: nothing but rounding differs. Ternary ones: in f32 an int8 code on a boundary may fall the other
// way than in the reference's float64; from that position on the cache differs, and logits by about a hundredth.
struct Bars {
  double relative, tie;
  bool exact_start;  // the first position compared must be within kFloat.relative
};
constexpr Bars kFloat{1e-4, 1e-5, true}, kRounded{0.02, 0.1, true}, kUnrounded{0.02, 0.3, false};

void check_trace(const std::shared_ptr<const Model>& model, const Trace& trace, const Bars& bars) {
  const auto logits = run(model, trace.tokens);
  const Agreement a = compare(logits, trace, bars.tie);
  INFO("worst relative error " << a.worst << ", first " << a.first << "; top-5 order differs at" << list(a.disagree));
  CHECK(a.worst < bars.relative);
  if (bars.exact_start) CHECK(a.first < kFloat.relative);
  CHECK(a.disagree.empty());
  if (!a.ties.empty()) WARN("near-ties (gap below " << bars.tie << ") decide the top-5 order at" << list(a.ties));
  for (size_t i = 0; i < trace.top.size(); ++i) {
    const size_t at = trace.first + i;
    if (at + 1 >= trace.tokens.size() || std::count(a.ties.begin(), a.ties.end(), at) != 0) continue;
    const auto best = std::max_element(logits[at].begin(), logits[at].end()) - logits[at].begin();
    if (trace.tokens[at + 1] == trace.top[i][0].first) CHECK(best == trace.tokens[at + 1]);  // greedy
  }
}

// sample.json of llama2.c: top five after every position from 0 on.
Trace read_sample(const std::string& path) {
  const json j = read_json(shared_path(path));
  Trace t;
  t.tokens = j["prompt_token_ids"].get<std::vector<int32_t>>();
  for (int32_t id : j["generated_token_ids"]) t.tokens.push_back(id);
  t.top = j["top5_logits"].get<std::vector<Top>>();
  t.tokens.resize(t.top.size());
  return t;
}

// reference.json of our own models: top five from the last prompt token on.
void check_own(const std::shared_ptr<const Model>& model, const std::string& path, const Bars& bars) {
  const json j = read_json(path);
  for (const json& c : j["cases"]) {
    Trace t;
    t.tokens = c["prompt_ids"].get<std::vector<int32_t>>();
    t.first = t.tokens.size() - 1;
    for (int32_t id : c["greedy_ids"]) t.tokens.push_back(id);
    t.top = c["top5"].get<std::vector<Top>>();
    t.tokens.resize(t.first + t.top.size());
    check_trace(model, t, bars);
  }
  const json& forced = j["teacher_forced"];
  const auto ids = forced["ids"].get<std::vector<int32_t>>();
  const auto logits = run(model, ids);
  double nll = 0;
  for (size_t t = 0; t + 1 < ids.size(); ++t) {
    double sum = 0;
    for (float v : logits[t]) sum += std::exp(double(v));
    nll += std::log(sum) - logits[t][ids[t + 1]];
  }
  nll /= double(ids.size() - 1);
  CHECK(std::fabs(nll - forced["mean_nll"].get<double>()) < bars.relative / 4);
  const double error = relative_error(logits.back(), forced["last_logits"]);
  INFO("last logits: relative error " << error);
  CHECK(error < bars.relative);
}

}  // namespace

TEST_CASE("reference: stories260K from llama2.c and from Hugging Face layout") {
  if (!have_shared("data/models/stories260K/sample.json")) return;
  const Scratch scratch;
  const Trace trace = read_sample("data/models/stories260K/sample.json");
  check_trace(load_f32(scratch, shared_path("data/models/stories260K/stories260K.bin")), trace, kFloat);
  check_trace(load_f32(scratch, shared_path("data/models/stories260K/hf")), trace, kFloat);
}

TEST_CASE("reference: stories3M") {
  if (!have_shared("data/models/stories3M/sample.json")) return;
  const Scratch scratch;
  check_trace(load_f32(scratch, shared_path("data/models/stories3M/hf")),
              read_sample("data/models/stories3M/sample.json"), kFloat);
}

TEST_CASE("reference: bitnet3M with int8 activations") {
  if (!have_shared("data/models/bitnet3M/sample.json")) return;
  const Scratch scratch;
  const auto model = convert_and_load(scratch, shared_path("data/models/bitnet3M/hf"), WeightChoice::f32,
                                      ActivationRounding::from_file);
  // That reference computes in f32 and rounds activations half away from zero: codes differ from the start.
  check_trace(model, read_sample("data/models/bitnet3M/sample.json"), {0.02, 0.1, false});
}

TEST_CASE("reference: stories5M") {
  if (!have_shared("models/stories5M/reference.json")) return;
  const Scratch scratch;
  check_own(load_f32(scratch, shared_path("models/stories5M")), shared_path("models/stories5M/reference.json"), kFloat);
}

TEST_CASE("reference: stories5M-fairy2i") {
  if (!have_shared("models/stories5M-fairy2i/reference.json")) return;
  const Scratch scratch;
  ImportOptions import;
  import.fairy2i_stages = 2;
  const std::string path = shared_path("models/stories5M-fairy2i");
  const auto load = [&](ActivationRounding activations, WeightChoice weights) {
    return convert_and_load(scratch, path, WeightChoice::bf16, activations, import, weights);
  };
  // The publisher's dense matrices, which it makes of the codes and rounds to bf16, are what the reference ran.
  check_own(load(ActivationRounding::f32, WeightChoice::bf16), path + "/reference.json", kFloat);
  // Phases run without that rounding: alike within it, and as double arithmetic over the same codes has it.
  const auto phases = load(ActivationRounding::f32, WeightChoice::automatic);
  check_own(phases, path + "/reference.json", kUnrounded);
  auto ids = read_json(path + "/reference.json")["teacher_forced"]["ids"].get<std::vector<int32_t>>();
  ids.resize(24);
  const auto expected = test::reference_logits(phases->file(), ids, false);
  const auto logits = run(phases, ids);
  for (size_t i = 0; i < ids.size(); ++i) CHECK(relative_error(logits[i], expected[i]) < 1e-4);
  check_own(load(ActivationRounding::from_file, WeightChoice::automatic), path + "/reference.json", kUnrounded);
}

TEST_CASE("reference: the bundled ternary model with int8 activations") {
  const Scratch scratch;
  const std::string demo = std::string(TERN_SOURCE_DIR) + "/demo";
  check_own(convert_and_load(scratch, demo, WeightChoice::bf16, ActivationRounding::from_file),
            demo + "/reference.json", kRounded);
}

TEST_CASE("reference: the bundled ternary model in double arithmetic, with int8 codes that f32 might flip") {
  const Scratch scratch;
  const std::string demo = std::string(TERN_SOURCE_DIR) + "/demo";
  const auto model = convert_and_load(scratch, demo, WeightChoice::bf16, ActivationRounding::from_file);
  const json c = read_json(demo + "/reference.json")["cases"][1];
  auto tokens = c["prompt_ids"].get<std::vector<int32_t>>();
  const size_t first = tokens.size() - 1, count = 25;  // in f32 a code flips at the 15th
  for (size_t i = 0; i < count; ++i) tokens.push_back(c["greedy_ids"][i]);
  const auto logits = test::reference_logits(model->file(), tokens, true);
  const auto top = c["top5"].get<std::vector<Top>>();
  double worst = 0;
  for (size_t i = 0; i < count; ++i) {
    for (const auto& [id, value] : top[i]) worst = std::max(worst, std::fabs(logits[first + i][id] - value));
  }
  CHECK(worst < 1e-5);  // the reference file keeps five decimals
}

TEST_CASE("reference: stories5M-ternary with int8 activations") {
  if (!have_shared("models/stories5M-ternary/reference.json")) return;
  const Scratch scratch;
  check_own(convert_and_load(scratch, shared_path("models/stories5M-ternary"), WeightChoice::bf16,
                             ActivationRounding::from_file),
            shared_path("models/stories5M-ternary/reference.json"), kRounded);
}

}  // namespace tern
