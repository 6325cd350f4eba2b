#include "apps/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include "base/atomic_file.h"

namespace tern::app {
namespace {

volatile sig_atomic_t received = 0, waiting_for_line = 0;

extern "C" void on_signal(int signal) {
  if (received != 0 || waiting_for_line != 0) {
    AtomicFile::remove_all_temporaries();
    _exit(128 + signal);
  }
  received = signal;
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
}

}  // namespace

void install_signal_handlers() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) handle(signal, on_signal);
  handle(SIGXFSZ, SIG_IGN);
}

void ignore_broken_pipe() { handle(SIGPIPE, SIG_IGN); }

bool forgive_interrupt() {
  if (received != SIGINT) return false;
  received = 0;
  return true;
}

void wait_for_line(bool waiting) { waiting_for_line = waiting ? 1 : 0; }

bool interrupted() { return received != 0; }
int interrupt_exit_code() { return 128 + received; }

}  // namespace tern::app
