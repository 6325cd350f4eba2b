// tern: the command line. Each verb lives in its own file; this one parses, runs and reports.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <system_error>

#include "apps/command.h"
#include "apps/interrupt.h"

namespace {

using tern::Status;

int fail(const std::string& message, int exit_code) {
  std::fflush(stdout);
  fmt::print(stderr, "tern: error: {}\n", message);
  return exit_code;
}

int report(const Status& status) {
  const bool stopped = tern::app::interrupted() && status.code() == tern::Code::aborted;
  if (!status.ok() && status.message().empty()) return tern::app::interrupt_exit_code();
  if (!status.ok()) return fail(status.message(), stopped ? tern::app::interrupt_exit_code() : 1);
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) return fail("cannot write to standard output", 1);
  return 0;
}

// "tern help run" is "tern run --help", "tern help" is "tern --help".
void rewrite_help(std::vector<std::string>& words) {
  if (words.empty()) words.push_back("--help");
  if (words.front() != "help") return;
  words.erase(words.begin());
  words.push_back("--help");
}

int parse_and_run(std::vector<std::string> words) {
  CLI::App root("tern runs extremely low-bit language models on any CPU", "tern");
  root.set_version_flag("--version", "tern " TERN_VERSION);
  root.require_subcommand(1);
  tern::app::Action chosen;
  tern::app::add_run(root, chosen);
  tern::app::add_chat(root, chosen);
  tern::app::add_convert(root, chosen);
  tern::app::add_inspect(root, chosen);
  tern::app::add_verify(root, chosen);
  tern::app::add_eval(root, chosen);
  tern::app::add_bench(root, chosen);
  tern::app::add_cpu(root, chosen);
  rewrite_help(words);
  try {
    std::reverse(words.begin(), words.end());  // CLI11 takes them from the back
    root.parse(words);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return root.exit(error);  // help and version
    return fail(tern::app::explain(error, root), 2);
  }
  return report(chosen());
}

}  // namespace

int main(int argc, char** argv) {
  tern::app::install_signal_handlers();
  try {
    return parse_and_run(tern::app::spell_out_flags(argc, argv));
  } catch (const std::bad_alloc&) {
    return fail("out of memory", 1);
  } catch (const std::system_error& error) {  // fmt, when standard output cannot be written
    return fail(error.what(), 1);
  } catch (const std::exception& error) {
    return fail(fmt::format("internal: {}", error.what()), 1);
  }
}
