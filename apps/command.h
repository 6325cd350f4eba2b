// What every verb of the command line has in common: it registers its flags and leaves one action to be run.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "base/status.h"

namespace tern::app {

// The verb that the command line chose. Its Status becomes the exit code and the error line.
using Action = std::function<Status()>;

void add_run(CLI::App& root, Action& chosen);
void add_chat(CLI::App& root, Action& chosen);
void add_convert(CLI::App& root, Action& chosen);
void add_inspect(CLI::App& root, Action& chosen);
void add_verify(CLI::App& root, Action& chosen);
void add_eval(CLI::App& root, Action& chosen);
void add_bench(CLI::App& root, Action& chosen);
void add_cpu(CLI::App& root, Action& chosen);

// The llama.cpp family writes some flags as one dash and several letters (-ngl), which CLI11 reads as -n gl:
// these become their long names.
std::vector<std::string> spell_out_flags(int argc, const char* const* argv);

// The sentence for a command line that CLI11 refused, with the nearest flag if one is near.
std::string explain(const CLI::ParseError& error, const CLI::App& root);

// What an aborted Status becomes when the user pressed Ctrl-C and the verb has said all there is to say.
Status stopped_by_user();

}  // namespace tern::app
