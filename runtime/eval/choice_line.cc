#include "runtime/eval/choice_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "formats/foreign/json_document.h"

namespace tern {
namespace {

using nlohmann::json;

// A label: a number, or digits in a string.
std::optional<uint64_t> label_of(const json& value) {
  if (value.is_number_unsigned()) return value.get<uint64_t>();
  if (!value.is_string()) return {};
  const auto& text = value.get_ref<const std::string&>();
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc() || next != end) return {};
  return number;
}

}  // namespace

std::string in_quotes(std::string_view text) {
  constexpr size_t kShown = 40;
  if (text.size() <= kShown) return fmt::format("'{}'", text);
  size_t end = kShown;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // whole characters
  return fmt::format("'{}...'", text.substr(0, end));
}

std::string shown(const json* value) {
  if (!value) return "no such field";
  if (value->is_string()) return in_quotes(value->get_ref<const std::string&>());
  if (value->is_number() || value->is_boolean()) return value->dump();
  if (value->is_array()) return value->size() == 1 ? "a list of 1" : fmt::format("a list of {}", value->size());
  return value->is_null() ? "null" : "an object";
}

Result<ChoiceLine> ChoiceLine::parse(std::string_view text, std::string where) {
  ChoiceLine line;
  line.where_ = std::move(where);
  TERN_ASSIGN(line.object_, parse_json(text, line.where_));
  if (!line.object_.is_object()) {
    return corrupt(fmt::format("{}: expected a JSON object, found {}", line.where_, shown(&line.object_)));
  }
  return line;
}

void ChoiceLine::set_answer(uint64_t answer, std::string file) { given_.emplace(answer, std::move(file)); }

const json* ChoiceLine::find(const char* field) const {
  const auto at = object_.find(field);
  return at != object_.end() ? &*at : nullptr;
}

Status ChoiceLine::wrong(std::string_view field, std::string_view expected, std::string_view found) const {
  return corrupt(fmt::format("{}: {}: expected {}, found {}", where_, field, expected, found));
}

Result<std::string> ChoiceLine::text(std::string_view field, const json* value) const {
  if (!value || !value->is_string() || value->get_ref<const std::string&>().empty()) {
    return wrong(field, "a text that is not empty", shown(value));
  }
  return value->get<std::string>();
}

Result<std::vector<std::string>> ChoiceLine::texts(std::string_view field, const json* value) const {
  if (!value || !value->is_array() || value->size() < 2) return wrong(field, "a list of 2 texts or more", shown(value));
  std::vector<std::string> result;
  for (size_t i = 0; i < value->size(); ++i) {
    TERN_ASSIGN(std::string one, text(fmt::format("{}[{}]", field, i), &(*value)[i]));
    result.push_back(std::move(one));
  }
  return result;
}

Result<std::optional<size_t>> ChoiceLine::answer_of_file(const char* field, size_t count) const {
  if (!given_) return std::optional<size_t>();
  const auto& [answer, file] = *given_;
  if (has(field)) return wrong(field, fmt::format("none, because {} gives the labels", file), shown(find(field)));
  if (answer >= count) {
    return wrong(fmt::format("label in {}", file), fmt::format("0 to {}", count - 1), std::to_string(answer));
  }
  return std::optional<size_t>(answer);
}

Result<size_t> ChoiceLine::answer(const char* field, size_t count) const {
  TERN_ASSIGN(const auto from_file, answer_of_file(field, count));
  if (from_file) return *from_file;
  const json* value = find(field);
  const auto label = value ? label_of(*value) : std::nullopt;
  if (!label || *label >= count) return wrong(field, fmt::format("0 to {}", count - 1), shown(value));
  return static_cast<size_t>(*label);
}

Result<size_t> ChoiceLine::answer(const char* field, const std::vector<std::string>& names) const {
  TERN_ASSIGN(const auto from_file, answer_of_file(field, names.size()));
  if (from_file) return *from_file;
  const json* value = find(field);
  if (value && value->is_string()) {
    const auto at = std::find(names.begin(), names.end(), value->get_ref<const std::string&>());
    if (at != names.end()) return static_cast<size_t>(at - names.begin());
  }
  std::string expected = "one of the choices' labels";
  for (size_t i = 0; i < names.size(); ++i) expected += (i ? ", " : " ") + in_quotes(names[i]);
  return wrong(field, expected, shown(value));
}

}  // namespace tern
