// make_sequence_states DIRECTORY: writes the corpus of fuzz_sequence_state; with --check, fails unless the corpus is
// what it would write, since states of another version teach the fuzzer nothing.
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/fuzz/sequence_states.h"

namespace {

std::string state(const tern::SequenceStateKind& kind, uint32_t length) {
  tern::CachePool pool(kind.layout);
  tern::SequenceCache cache;
  cache.reserve(pool, length);
  cache.extend(length);
  tern::Random random(length + 1);
  for (uint32_t block = 0; block * tern::kCacheBlock < length; ++block) {
    std::byte* bytes = cache.blocks()[block].get();
    for (uint64_t i = 0; i < kind.layout.block_bytes(); ++i) bytes[i] = static_cast<std::byte>(random.below(256));
  }
  std::vector<std::byte> out(tern::sequence_state_bytes(kind.layout, length));
  tern::write_sequence_state(kind, cache, out);
  return {reinterpret_cast<const char*>(out.data()), out.size()};
}

bool handle(const std::filesystem::path& path, const std::string& bytes, bool check) {
  if (!check) return static_cast<bool>(std::ofstream(path, std::ios::binary) << bytes);
  std::ifstream in(path, std::ios::binary);
  if (std::string(std::istreambuf_iterator<char>(in), {}) == bytes) return true;
  std::fprintf(stderr, "%s: not what make_sequence_states writes\n", path.c_str());
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  const bool check = argc == 3 && std::strcmp(argv[1], "--check") == 0;
  if (argc != 2 && !check) return 2;
  const std::filesystem::path directory = argv[argc - 1];
  const auto kinds = tern::test::state_kinds();
  bool ok = true;
  for (const uint32_t length : {0, 1, 33}) {
    ok &= handle(directory / ("f16_f32_" + std::to_string(length)), state(kinds[0], length), check);
  }
  for (const uint32_t length : {32, 40}) {
    ok &= handle(directory / ("f32_f16_" + std::to_string(length)), state(kinds[1], length), check);
  }
  return ok ? 0 : 1;
}
