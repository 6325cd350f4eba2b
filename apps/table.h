// Rows of text as an aligned table, markdown or CSV.
#pragma once

#include <string>
#include <vector>

namespace tern::app {

struct Table {
  struct Column {
    std::string title;
    bool right = false;  // numbers
  };
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;  // one cell per column

  std::string plain() const;  // columns padded, two spaces between, no frame
  std::string markdown() const;
  std::string csv() const;  // RFC 4180
};

}  // namespace tern::app
