// The fields of each task's line and the prompt that they become.
#include <fmt/format.h>

#include <algorithm>

#include "runtime/eval/choice_line.h"

namespace tern {
namespace {

using nlohmann::json;

constexpr std::string_view kSpace = " \t\n\v\f\r";

std::string_view stripped(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

std::string replaced(std::string_view text, std::string_view what, std::string_view with) {
  std::string out;
  for (size_t at; (at = text.find(what)) != std::string_view::npos; text.remove_prefix(at + what.size())) {
    out.append(text.substr(0, at)).append(with);
  }
  return out.append(text);
}

// Without "[", "]" and what is between them, where both stand on one line.
std::string without_brackets(std::string_view text) {
  std::string out;
  for (size_t open; (open = text.find('[')) != std::string_view::npos;) {
    const size_t end = text.find_first_of("]\n", open);
    const bool closed = end != std::string_view::npos && text[end] == ']';
    out.append(text.substr(0, closed ? open : open + 1));
    text.remove_prefix(closed ? end + 1 : open + 1);
  }
  return out.append(text);
}

std::string capitalised(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

std::string question_prompt(const std::string& question) { return fmt::format("Question: {}\nAnswer:", question); }

// ctx_b is empty in about half of the published lines.
Result<std::string> hellaswag_context(const ChoiceLine& line) {
  if (!line.has("ctx_a") && !line.has("ctx_b")) return line.text("ctx");
  TERN_ASSIGN(const std::string first, line.text("ctx_a"));
  const json* second = line.find("ctx_b");
  if (!second || !second->is_string()) return line.wrong("ctx_b", "a text", shown(second));
  return first + " " + capitalised(second->get<std::string>());
}

struct Choices {
  std::vector<std::string> texts, labels;
};

// [{"text", "label"}, ...]
Result<Choices> listed_choices(const ChoiceLine& line, const json* list) {
  const char* field = "question.choices";
  if (!list || !list->is_array() || list->size() < 2) return line.wrong(field, "a list of 2 or more", shown(list));
  Choices choices;
  for (size_t i = 0; i < list->size(); ++i) {
    const json& one = (*list)[i];
    const std::string name = fmt::format("{}[{}]", field, i);
    if (!one.is_object()) return line.wrong(name, "an object with text and label", shown(&one));
    const auto member = [&](const char* key) {
      const auto at = one.find(key);
      return line.text(fmt::format("{}.{}", name, key), at != one.end() ? &*at : nullptr);
    };
    TERN_ASSIGN(std::string text, member("text"));
    TERN_ASSIGN(std::string label, member("label"));
    choices.texts.push_back(std::move(text));
    choices.labels.push_back(std::move(label));
  }
  return choices;
}

// {"text": [...], "label": [...]}
Result<Choices> paired_choices(const ChoiceLine& line, const json* pair) {
  if (!pair || !pair->is_object()) return line.wrong("choices", "an object with text and label", shown(pair));
  const auto member = [&](const char* key) {
    const auto at = pair->find(key);
    return line.texts(fmt::format("choices.{}", key), at != pair->end() ? &*at : nullptr);
  };
  Choices choices;
  TERN_ASSIGN(choices.texts, member("text"));
  TERN_ASSIGN(choices.labels, member("label"));
  if (choices.labels.size() != choices.texts.size()) {
    return line.wrong("choices.label", fmt::format("{} labels, one for each text", choices.texts.size()),
                      std::to_string(choices.labels.size()));
  }
  return choices;
}

}  // namespace

std::string clean_hellaswag(std::string_view text) {
  return replaced(without_brackets(replaced(stripped(text), " [title]", ". ")), "  ", " ");
}

Result<ChoiceItem> read_hellaswag(const ChoiceLine& line) {
  ChoiceItem item;
  TERN_ASSIGN(const std::string activity, line.text("activity_label"));
  TERN_ASSIGN(const std::string context, hellaswag_context(line));
  TERN_ASSIGN(item.endings, line.texts("endings", line.find("endings")));
  item.context = clean_hellaswag(activity + ": " + context);
  for (size_t i = 0; i < item.endings.size(); ++i) {
    std::string cleaned = clean_hellaswag(item.endings[i]);
    if (cleaned.empty()) {
      return line.wrong(fmt::format("endings[{}]", i), "a text outside brackets", in_quotes(item.endings[i]));
    }
    item.endings[i] = std::move(cleaned);
  }
  TERN_ASSIGN(item.answer, line.answer("label", item.endings.size()));
  return item;
}

Result<ChoiceItem> read_piqa(const ChoiceLine& line) {
  ChoiceItem item;
  TERN_ASSIGN(const std::string goal, line.text("goal"));
  item.context = question_prompt(goal);
  for (const char* field : {"sol1", "sol2"}) {
    TERN_ASSIGN(std::string ending, line.text(field));
    item.endings.push_back(std::move(ending));
  }
  TERN_ASSIGN(item.answer, line.answer("label", item.endings.size()));
  return item;
}

Result<ChoiceItem> read_arc(const ChoiceLine& line) {
  const json* question = line.find("question");
  const bool nested = question && question->is_object();
  const auto inner = [&](const char* key) -> const json* {
    const auto at = question->find(key);
    return at != question->end() ? &*at : nullptr;
  };
  TERN_ASSIGN(const std::string stem, nested ? line.text("question.stem", inner("stem")) : line.text("question"));
  TERN_ASSIGN(Choices choices,
              nested ? listed_choices(line, inner("choices")) : paired_choices(line, line.find("choices")));
  ChoiceItem item;
  TERN_ASSIGN(item.answer, line.answer("answerKey", choices.labels));
  for (size_t i = 0; i < choices.labels.size(); ++i) {
    const auto twin =
        std::find(choices.labels.begin(), choices.labels.begin() + static_cast<long>(i), choices.labels[i]);
    if (twin != choices.labels.begin() + static_cast<long>(i)) {
      return line.wrong("label", "a different label for each choice", in_quotes(choices.labels[i]) + " twice");
    }
  }
  item.context = question_prompt(stem);
  item.endings = std::move(choices.texts);
  return item;
}

}  // namespace tern
