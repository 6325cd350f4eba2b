// Runs a fuzz target over files and directories without libFuzzer, so that every build replays the
// saved corpus: each file as it is, and cut and mutated in a few fixed ways.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Bytes = std::vector<uint8_t>;

void run(const Bytes& bytes) { LLVMFuzzerTestOneInput(bytes.data(), bytes.size()); }

void run_with_mutations(const Bytes& bytes) {
  run(bytes);
  for (size_t part = 0; part < 8; ++part)
    run(Bytes(bytes.begin(), bytes.begin() + static_cast<long>(bytes.size() * part / 8)));
  uint64_t state = bytes.size() + 1;  // xorshift64: the same mutations on every machine
  for (int round = 0; round < 64 && !bytes.empty(); ++round) {
    Bytes changed = bytes;
    for (int k = 0; k < 3; ++k) {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;
      changed[state % std::min<size_t>(changed.size(), 2048)] = static_cast<uint8_t>(state >> 32);
    }
    run(changed);
  }
}

}  // namespace

int main(int argc, char** argv) {
  size_t files = 0;
  const auto replay = [&](const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    run_with_mutations(Bytes(std::istreambuf_iterator<char>(in), {}));
    ++files;
  };
  for (int i = 1; i < argc; ++i) {
    if (!std::filesystem::is_directory(argv[i])) {
      replay(argv[i]);
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
      if (entry.is_regular_file()) replay(entry.path());
    }
  }
  std::printf("%zu files replayed\n", files);
  return files > 0 ? 0 : 1;  // an empty corpus is a mistake in the build
}
