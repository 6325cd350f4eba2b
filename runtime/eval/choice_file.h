// Multiple-choice questions from the JSON lines in which HellaSwag, PIQA and ARC are published, made into the prompts
// that EleutherAI's lm-evaluation-harness gives its models (lm_eval/tasks/{hellaswag,piqa,arc}). Every line is read
// before the first question is asked; one that breaks a rule is an error with file, line, field, expected and found.
//
// piqa       {"goal", "sol1", "sol2", "label": 0 or 1}
//            context "Question: {goal}\nAnswer:", endings sol1 and sol2
// arc        {"question", "choices": {"text": [...], "label": [...]}, "answerKey"} or, as AI2 publishes it,
//            {"question": {"stem", "choices": [{"text", "label"}, ...]}, "answerKey"}
//            context "Question: {question}\nAnswer:", endings the texts of the choices
// hellaswag  {"activity_label", "ctx_a", "ctx_b", "endings": [...], "label"}; ctx where ctx_a and ctx_b are missing
//            context "{activity_label}: {ctx_a} {ctx_b}", ctx_b capitalised (its first letter upper case, the others
//            lower: Python's capitalize, here for ASCII only). Context and endings are cleaned: space at both ends off,
//            " [title]" to ". ", what stands in brackets on one line off, two spaces to one, once.
// Labels are counted from 0, as numbers or digits in a string. An ending follows its context after one space.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tern {

enum class ChoiceFormat { automatic, hellaswag, piqa, arc };  // automatic: by the fields of the first line

const char* format_name(ChoiceFormat format);
const char* prompt_of(ChoiceFormat format);  // the context as a pattern, for people

struct ChoiceItem {
  uint64_t line = 0;  // in its file, from 1
  std::string context;
  std::vector<std::string> endings;  // without the space before them; two or more, none empty
  size_t answer = 0;                 // index of the right one
};

struct ChoiceFile {
  ChoiceFormat format = ChoiceFormat::automatic;  // never automatic in a result
  std::vector<ChoiceItem> items;                  // at least one
};

// A text and the name to put into messages.
struct NamedText {
  std::string name;
  std::string_view text;
};

// labels: null, or one label per line for questions that hold none themselves.
Result<ChoiceFile> parse_choices(const NamedText& file, ChoiceFormat format, const NamedText* labels = nullptr);

// labels_path: "" if the questions hold their own.
Result<ChoiceFile> read_choices(const std::string& path, ChoiceFormat format, const std::string& labels_path = "");

// HellaSwag's cleaning of a text, as above.
std::string clean_hellaswag(std::string_view text);

}  // namespace tern
