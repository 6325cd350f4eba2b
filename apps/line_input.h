// Lines that a user types, with line editing and history on a terminal, or that another program writes.
#pragma once

#include <memory>
#include <optional>
#include <string>

namespace tern::app {

class LineInput {
 public:
  LineInput();
  ~LineInput();
  LineInput(const LineInput&) = delete;
  LineInput& operator=(const LineInput&) = delete;

  // Standard input and output are a terminal: a prompt is shown, and errors need not end the program.
  bool interactive() const { return interactive_; }
  // The next line without its end; nothing at the end of the input (Ctrl-D). While it waits, a signal ends the
  // program; Ctrl-C empties the line where lines can be edited.
  std::optional<std::string> next();

 private:
  struct Editor;
  bool interactive_;
  std::unique_ptr<Editor> editor_;  // only on a terminal, and in a build with libedit
};

}  // namespace tern::app
