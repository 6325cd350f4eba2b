// tern verify: reads everything in a file and says whether it keeps the rules.
#include <fmt/format.h>

#include <memory>

#include "apps/command.h"
#include "apps/interrupt.h"
#include "apps/terminal.h"
#include "formats/tern/reader.h"

namespace tern::app {
namespace {

Status verify(const std::string& path) {
  const Timer timer;
  TERN_ASSIGN(const auto file, TernFile::open(path));
  const Status status = [&] {
    ProgressBar bar("verify");
    return file->verify_payload(bar.callback());
  }();
  if (!status.ok()) return interrupted() ? stopped_by_user() : status;
  const double seconds = timer.seconds();
  fmt::print("{}: ok, {} tensors, {}, {:.2f} GB/s\n", path, file->description().tensors.size(),
             human_bytes(file->file_bytes()), static_cast<double>(file->file_bytes()) / 1e9 / std::max(seconds, 1e-9));
  return {};
}

}  // namespace

void add_verify(CLI::App& root, Action& chosen) {
  const auto path = std::make_shared<std::string>();
  CLI::App* verb = root.add_subcommand("verify", "check every hash and value of a .tern file");
  verb->add_option("FILE", *path, "the file")->required();
  verb->callback([path, &chosen] { chosen = [path] { return verify(*path); }; });
}

}  // namespace tern::app
