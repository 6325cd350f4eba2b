// Writes the golden files into a directory, or the worked hex dump of docs/format.md to the output:
//   make_golden tests/golden        make_golden --hex
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "formats/tern/reader.h"
#include "tests/tools/golden_files.h"

namespace {

using namespace tern::test;

// What opening and then verifying says, as the tests will see it; empty if nothing is wrong.
std::string error_of(const BrokenFile& file) {
  void* aligned = std::aligned_alloc(64, (file.bytes.size() + 63) / 64 * 64);
  std::memcpy(aligned, file.bytes.data(), file.bytes.size());
  const auto parsed = tern::TernFile::parse({static_cast<std::byte*>(aligned), file.bytes.size()}, file.name + ".tern");
  const std::string message = parsed.ok() ? (*parsed)->verify_payload().message() : parsed.status().message();
  std::free(aligned);
  return message;
}

int write_all(const std::string& directory) {
  for (const GoldenModel& model : golden_models()) {
    const tern::Status status = write_golden(directory + "/" + model.name + ".tern", model.description);
    if (!status.ok()) return std::fprintf(stderr, "%s\n", status.message().c_str()), 1;
  }
  for (const BrokenFile& file : broken_files()) {
    std::ofstream out(directory + "/" + file.name + ".tern", std::ios::binary);
    out.write(reinterpret_cast<const char*>(file.bytes.data()), static_cast<std::streamsize>(file.bytes.size()));
    std::ofstream(directory + "/" + file.name + ".error") << error_of(file) << "\n";
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: make_golden DIRECTORY | --hex\n"), 2;
  if (std::strcmp(argv[1], "--hex") != 0) return write_all(argv[1]);
  std::fputs(hex_dump(golden_bytes(golden_models().front().description)).c_str(), stdout);
  return 0;
}
