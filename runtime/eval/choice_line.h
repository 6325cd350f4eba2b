// One line of a file of questions: its fields, with errors that say file, line, field, expected and found.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/eval/choice_file.h"

namespace tern {

class ChoiceLine {
 public:
  // where: "file:line".
  static Result<ChoiceLine> parse(std::string_view text, std::string where);

  // The answer given by a file of labels; the line may then hold none.
  void set_answer(uint64_t answer, std::string file);

  bool has(const char* field) const { return object_.contains(field); }
  const nlohmann::json* find(const char* field) const;  // null if missing
  Status wrong(std::string_view field, std::string_view expected, std::string_view found) const;

  // `value` may be null: then the field is missing.
  Result<std::string> text(std::string_view field, const nlohmann::json* value) const;
  Result<std::string> text(const char* field) const { return text(field, find(field)); }
  Result<std::vector<std::string>> texts(std::string_view field, const nlohmann::json* value) const;
  // Index of the right one of `count` endings: from `field`, or from the file of labels.
  Result<size_t> answer(const char* field, size_t count) const;
  // The same for a field that holds one of `names`.
  Result<size_t> answer(const char* field, const std::vector<std::string>& names) const;

 private:
  Result<std::optional<size_t>> answer_of_file(const char* field, size_t count) const;
  nlohmann::json object_;
  std::string where_;
  std::optional<std::pair<uint64_t, std::string>> given_;
};

// "found" for messages: a text in quotes, shortened; a value; the name of a type.
std::string in_quotes(std::string_view text);
std::string shown(const nlohmann::json* value);

Result<ChoiceItem> read_hellaswag(const ChoiceLine& line);
Result<ChoiceItem> read_piqa(const ChoiceLine& line);
Result<ChoiceItem> read_arc(const ChoiceLine& line);

}  // namespace tern
