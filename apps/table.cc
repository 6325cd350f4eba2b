#include "apps/table.h"

#include <fmt/format.h>

#include <algorithm>

namespace tern::app {
namespace {

// Characters, not bytes: "±" is one.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::vector<size_t> widths(const Table& table) {
  std::vector<size_t> result;
  for (const auto& column : table.columns) result.push_back(width_of(column.title));
  for (const auto& row : table.rows) {
    for (size_t i = 0; i < row.size(); ++i) result[i] = std::max(result[i], width_of(row[i]));
  }
  return result;
}

std::string padded(const std::string& text, size_t width, bool right) {
  const std::string space(width - width_of(text), ' ');
  return right ? space + text : text + space;
}

std::string line(const Table& table, const std::vector<std::string>& cells, const std::vector<size_t>& width,
                 const char* begin, const char* between, const char* end) {
  std::string out = begin;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i) out += between;
    out += padded(cells[i], width[i], table.columns[i].right);
  }
  while (*end == '\0' && out.ends_with(' ')) out.pop_back();
  return out + end + "\n";
}

std::vector<std::string> titles(const Table& table) {
  std::vector<std::string> result;
  for (const auto& column : table.columns) result.push_back(column.title);
  return result;
}

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out.append(c == '"' ? 2 : 1, c);
  return out + "\"";
}

std::string csv_line(const std::vector<std::string>& cells) {
  std::string out;
  for (const std::string& cell : cells) {
    if (&cell != &cells.front()) out += ',';
    out += csv_cell(cell);
  }
  return out + "\n";
}

}  // namespace

std::string Table::plain() const {
  const auto width = widths(*this);
  std::string out = line(*this, titles(*this), width, "", "  ", "");
  for (const auto& row : rows) out += line(*this, row, width, "", "  ", "");
  return out;
}

std::string Table::markdown() const {
  const auto width = widths(*this);
  std::string out = line(*this, titles(*this), width, "| ", " | ", " |");
  for (size_t i = 0; i < columns.size(); ++i) {
    const std::string dashes(width[i] + 1, '-');
    out += columns[i].right ? fmt::format("|{}:", dashes) : fmt::format("|{}-", dashes);
  }
  out += "|\n";
  for (const auto& row : rows) out += line(*this, row, width, "| ", " | ", " |");
  return out;
}

std::string Table::csv() const {
  std::string out = csv_line(titles(*this));
  for (const auto& row : rows) out += csv_line(row);
  return out;
}

}  // namespace tern::app
