// Ctrl-C: the first one asks the work to stop (progress callbacks return false), the second ends the process
// at once. Neither leaves a temporary file behind.
#pragma once

namespace tern::app {

// SIGINT, SIGTERM and SIGHUP; a full disk (SIGXFSZ) becomes an error of the write.
void install_signal_handlers();
void ignore_broken_pipe();  // for verbs that write files: losing the reader of stdout must not lose the file

bool interrupted();
// After Ctrl-C: forgets it and returns true. A signal that asks the program to end is not forgotten.
bool forgive_interrupt();
// While the program waits for a line, a signal ends it at once.
void wait_for_line(bool waiting);
int interrupt_exit_code();  // 128 + the signal: 130 for Ctrl-C

}  // namespace tern::app
