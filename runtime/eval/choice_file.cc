#include "runtime/eval/choice_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <new>
#include <optional>

#include "base/mapped_file.h"
#include "runtime/eval/choice_line.h"

namespace tern {
namespace {

constexpr size_t kMaxFileBytes = size_t{256} << 20;

struct Kind {
  ChoiceFormat format;
  const char* name;
  const char* prompt;
  Result<ChoiceItem> (*read)(const ChoiceLine& line);
};

constexpr Kind kKinds[] = {
    {ChoiceFormat::hellaswag, "hellaswag", "{activity_label}: {ctx_a} {ctx_b}", read_hellaswag},
    {ChoiceFormat::piqa, "piqa", "Question: {goal}\\nAnswer:", read_piqa},
    {ChoiceFormat::arc, "arc", "Question: {question}\\nAnswer:", read_arc},
};

const Kind* kind_of(ChoiceFormat format) {
  for (const Kind& kind : kKinds) {
    if (kind.format == format) return &kind;
  }
  return nullptr;
}

Result<ChoiceFormat> detect(const ChoiceLine& line) {
  if (line.has("endings")) return ChoiceFormat::hellaswag;
  if (line.has("sol1")) return ChoiceFormat::piqa;
  if (line.has("question") && (line.has("answerKey") || line.has("choices"))) return ChoiceFormat::arc;
  return line.wrong("format", "the fields of hellaswag (endings), piqa (sol1) or arc (question, answerKey)",
                    "none of them: give --format");
}

// Calls body(line, number from 1) for every line that is not blank.
template <class Body>
Status for_each_line(std::string_view text, Body body) {
  uint64_t number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    TERN_TRY(body(line, number));
  }
  return {};
}

Result<std::vector<uint64_t>> parse_labels(const NamedText& labels) {
  std::vector<uint64_t> values;
  const auto read = [&](std::string_view line, uint64_t number) -> Status {
    const size_t begin = line.find_first_not_of(" \t"), end = line.find_last_not_of(" \t\r") + 1;
    uint64_t value = 0;
    const char* const last = line.data() + end;
    const auto [next, error] = std::from_chars(line.data() + begin, last, value);
    if (error != std::errc() || next != last) {
      return corrupt(fmt::format("{}:{}: label: expected a number from 0, found {}", labels.name, number,
                                 in_quotes(line.substr(begin, end - begin))));
    }
    values.push_back(value);
    return {};
  };
  TERN_TRY(for_each_line(labels.text, read));
  return values;
}

Status check_label_count(const NamedText& file, size_t questions, const NamedText& labels, size_t found) {
  if (questions == found) return {};
  return corrupt(fmt::format("{}: expected {} labels, one for each question of {}, found {}", labels.name, questions,
                             file.name, found));
}

Result<ChoiceFile> parse(const NamedText& file, ChoiceFormat format, const NamedText* labels) {
  std::optional<std::vector<uint64_t>> answers;
  if (labels) {
    TERN_ASSIGN(answers, parse_labels(*labels));
  }
  ChoiceFile result;
  result.format = format;
  size_t questions = 0;
  const auto read = [&](std::string_view text, uint64_t number) -> Status {
    const size_t index = questions++;
    if (answers && index >= answers->size()) return {};  // counted, for the message
    TERN_ASSIGN(ChoiceLine line, ChoiceLine::parse(text, fmt::format("{}:{}", file.name, number)));
    if (labels) line.set_answer((*answers)[index], labels->name);
    if (result.format == ChoiceFormat::automatic) {
      TERN_ASSIGN(result.format, detect(line));
    }
    TERN_ASSIGN(ChoiceItem item, kind_of(result.format)->read(line));
    item.line = number;
    result.items.push_back(std::move(item));
    return {};
  };
  TERN_TRY(for_each_line(file.text, read));
  if (labels) TERN_TRY(check_label_count(file, questions, *labels, answers->size()));
  if (questions == 0) return corrupt(fmt::format("{}: expected a question on each line, found none", file.name));
  return result;
}

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

Status check_size(const std::string& path, const MappedFile& file) {
  if (file.bytes().size() <= kMaxFileBytes) return {};
  return corrupt(fmt::format("{}: {} bytes, expected at most {}", path, file.bytes().size(), kMaxFileBytes));
}

}  // namespace

const char* format_name(ChoiceFormat format) {
  const Kind* kind = kind_of(format);
  return kind ? kind->name : "auto";
}

const char* prompt_of(ChoiceFormat format) {
  const Kind* kind = kind_of(format);
  return kind ? kind->prompt : "";
}

Result<ChoiceFile> parse_choices(const NamedText& file, ChoiceFormat format, const NamedText* labels) {
  try {
    return parse(file, format, labels);
  } catch (const std::bad_alloc&) {
    return out_of_memory(fmt::format("{}: not enough memory for its questions", file.name));
  }
}

Result<ChoiceFile> read_choices(const std::string& path, ChoiceFormat format, const std::string& labels_path) {
  TERN_ASSIGN(const MappedFile file, MappedFile::open(path));
  TERN_TRY(check_size(path, file));
  const NamedText questions{path, text_of(file)};
  if (labels_path.empty()) return parse_choices(questions, format);
  TERN_ASSIGN(const MappedFile labels_file, MappedFile::open(labels_path));
  TERN_TRY(check_size(labels_path, labels_file));
  const NamedText labels{labels_path, text_of(labels_file)};
  return parse_choices(questions, format, &labels);
}

}  // namespace tern
