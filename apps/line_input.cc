#include "apps/line_input.h"

#include <stdio.h>  // getline
#include <stdlib.h>
#include <unistd.h>

#include <clocale>
#include <string_view>

#include "apps/interrupt.h"
#include "apps/token_output.h"

#ifdef TERN_LINE_EDITING
#include <histedit.h>
#endif

namespace tern::app {
namespace {

constexpr const char* kPrompt = "> ";

std::string without_line_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return std::string(line);
}

std::optional<std::string> plain_line() {
  char* buffer = nullptr;
  size_t capacity = 0;
  const ssize_t size = ::getline(&buffer, &capacity, stdin);
  std::optional<std::string> line;
  if (size >= 0) line = without_line_end({buffer, static_cast<size_t>(size)});
  ::free(buffer);
  return line;
}

}  // namespace

#ifdef TERN_LINE_EDITING
struct LineInput::Editor {
  Editor() : line(el_init("tern", stdin, stdout, stderr)), past(history_init()) {
    HistEvent event;
    history(past, &event, H_SETSIZE, 1000);
    history(past, &event, H_SETUNIQUE, 1);
    el_set(line, EL_CLIENTDATA, this);
    el_set(
        line, EL_PROMPT, +[](EditLine*) { return const_cast<char*>(kPrompt); });
    el_set(line, EL_EDITOR, "emacs");
    el_set(line, EL_SIGNAL, 1);
    el_set(line, EL_HIST, history, past);
    el_set(
        line, EL_ADDFN, "tern-cancel", "forget the line", +[](EditLine* el, int) -> unsigned char {
          Editor* self = nullptr;
          el_get(el, EL_CLIENTDATA, &self);
          self->cancelled = true;
          return CC_NEWLINE;
        });
    el_set(line, EL_BIND, "^C", "tern-cancel", nullptr);
    el_set(line, EL_SETTY, "-d", "-isig", nullptr);  // while a line is edited, Ctrl-C is a key
  }
  ~Editor() {
    history_end(past);
    el_end(line);
  }

  std::optional<std::string> next() {
    for (;;) {
      cancelled = false;
      int size = 0;
      const char* text = el_gets(line, &size);
      if (text == nullptr || size <= 0) return {};
      if (cancelled) {
        show("^C\n");
        continue;
      }
      HistEvent event;
      if (size > 1) history(past, &event, H_ENTER, text);
      return without_line_end(text);
    }
  }

  EditLine* line;
  History* past;
  bool cancelled = false;
};
#else
struct LineInput::Editor {
  std::optional<std::string> next() { return plain_line(); }
};
#endif

LineInput::LineInput() : interactive_(isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0) {
#ifdef TERN_LINE_EDITING
  if (!interactive_) return;
  std::setlocale(LC_CTYPE, "");
  if (MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
  editor_ = std::make_unique<Editor>();
#endif
}

LineInput::~LineInput() = default;

std::optional<std::string> LineInput::next() {
  if (interactive_ && !editor_) show(kPrompt);
  wait_for_line(true);
  std::optional<std::string> line = editor_ ? editor_->next() : plain_line();
  wait_for_line(false);
  if (interactive_ && !line) show("\n");
  return line;
}

}  // namespace tern::app
