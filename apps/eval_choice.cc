// tern eval choice: multiple-choice questions, answered by the likelihood of the endings.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "apps/eval.h"
#include "apps/terminal.h"
#include "apps/text_input.h"
#include "runtime/eval/choice.h"

namespace tern::app {
namespace {

struct ChoiceFlags {
  ModelOptions model;
  std::string file, labels, questions = "auto", format = "md";
  uint64_t limit = 0;
};

struct ChoiceRun {
  ChoiceResult result;
  ChoiceFormat format = ChoiceFormat::automatic;
  uint32_t context = 0;
  int32_t bos = -1;
  unsigned threads = 0;
  double seconds = 0;
};

ChoiceFormat format_of(const std::string& name) {
  for (const ChoiceFormat format : {ChoiceFormat::hellaswag, ChoiceFormat::piqa, ChoiceFormat::arc}) {
    if (name == format_name(format)) return format;
  }
  return ChoiceFormat::automatic;
}

std::string protocol_of(const ChoiceRun& run) {
  return fmt::format(
      "no examples; context \"{}\"{}, then a space and an ending; acc takes the largest log-likelihood of an ending, "
      "acc_norm the largest per byte of it",
      prompt_of(run.format), run.bos >= 0 ? fmt::format(" after token {}", run.bos) : "");
}

Table choice_table(const ChoiceFlags& flags, const ChoiceRun& run) {
  const ChoiceResult& r = run.result;
  return {{{"model"}, {"file"}, {"format"}, {"questions", true}, {"skipped", true}, {"acc", true}, {"acc_norm", true}},
          {{std::filesystem::path(flags.model.path).stem().string(), file_name(flags.file), format_name(run.format),
            std::to_string(r.questions), std::to_string(r.skipped), with_error(r.acc, r.acc_error, 4),
            with_error(r.acc_norm, r.acc_norm_error, 4)}}};
}

Facts choice_facts(const ChoiceFlags& flags, const ChoiceRun& run) {
  const ChoiceResult& r = run.result;
  Facts facts = {{"model", flags.model.path},
                 {"file", flags.file},
                 {"format", format_name(run.format)},
                 {"context", run.context},
                 {"bos", run.bos}};
  facts.update(arithmetic_facts(flags.model));
  facts.update({{"questions", r.questions},
                {"skipped", r.skipped},
                {"acc", r.acc},
                {"acc_error", r.acc_error},
                {"acc_norm", r.acc_norm},
                {"acc_norm_error", r.acc_norm_error},
                {"protocol", protocol_of(run)},
                {"threads", run.threads},
                {"seconds", run.seconds}});
  return facts;
}

void warn_of_skipped(const ChoiceRun& run) {
  if (run.result.skipped == 0) return;
  fmt::print(stderr, "tern: warning: {} question{} not fit into {} positions, skipped; the first is on line {}\n",
             run.result.skipped, run.result.skipped == 1 ? " does" : "s do", run.context, run.result.first_skipped);
}

Result<Report> measure_choice(const ChoiceFlags& flags) {
  TERN_ASSIGN(ChoiceFile file, read_choices(flags.file, format_of(flags.questions), flags.labels));
  if (flags.limit && flags.limit < file.items.size()) file.items.resize(flags.limit);
  TERN_ASSIGN(const auto model, load_model(flags.model));
  TERN_ASSIGN(const auto tokenizer, make_tokenizer(*model));
  TERN_ASSIGN(const auto session, make_session(model, flags.model));
  ChoiceRun run;
  run.format = file.format;
  run.context = session->context();
  run.bos = leading_bos(*model);
  run.threads = session->threads();
  const Timer timer;
  {
    ProgressBar bar("choice");
    auto result = choose(*session, *tokenizer, file.items, bar.callback());
    if (!result.ok()) return result.status().within(flags.file);
    run.result = *result;
  }
  run.seconds = timer.seconds();
  warn_of_skipped(run);
  const std::string notes = fmt::format("protocol: {}\n{}", protocol_of(run),
                                        speed_note(file.items.size(), "questions", run.seconds, run.threads));
  return Report{choice_table(flags, run), notes, choice_facts(flags, run)};
}

}  // namespace

void add_eval_choice(CLI::App& eval, Action& chosen) {
  const auto o = std::make_shared<ChoiceFlags>();
  CLI::App* verb = eval.add_subcommand("choice", "multiple-choice questions: HellaSwag, PIQA, ARC");
  add_model_flags(*verb, o->model);
  verb->add_option("-f,--file", o->file, "the questions, one JSON object a line")->required();
  verb->add_option("--format", o->questions, "whose fields the lines have")
      ->check(CLI::IsMember({"auto", "hellaswag", "piqa", "arc"}))
      ->capture_default_str();
  verb->add_option("--labels", o->labels, "the right endings, a number from 0 a line, for questions without");
  verb->add_option("--limit", o->limit, "questions to ask; 0: all")->capture_default_str();
  add_output_flag(*verb, o->format);
  verb->callback(
      [o, &chosen] { chosen = [o] { return measure_and_show(o->format, [&] { return measure_choice(*o); }); }; });
}

}  // namespace tern::app
