// llama.cpp's tokenizer expectations: texts between separator lines in one file, their ids a line each in another.
#pragma once
#include <catch2/catch.hpp>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "runtime/text/tokenizer.h"
#include "tests/shared_data.h"

namespace tern::test {

inline std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

// Each text gives its ids, and the ids the text. `vocabulary` as in the files' names: llama-spm, llama-bpe, qwen2.
inline void check_expectations(const Tokenizer& tokenizer, const std::string& vocabulary) {
  const std::string texts = "data/tokenizers/ggml-vocab-" + vocabulary + ".gguf.inp";
  const std::string expected = "data/tokenizers/ggml-vocab-" + vocabulary + ".gguf.out";
  if (!have_shared(texts) || !have_shared(expected)) return;
  const std::string separator = "\n__ggml_vocab_test__\n", input = contents(shared_path(texts));
  std::istringstream lines(contents(shared_path(expected)));
  size_t begin = 0, cases = 0;
  for (std::string line; std::getline(lines, line); ++cases) {
    const size_t end = input.find(separator, begin);
    REQUIRE(end != std::string::npos);
    const std::string text = input.substr(begin, end - begin);
    begin = end + separator.size();
    std::istringstream numbers(line);
    std::vector<int32_t> ids;
    for (int32_t id; numbers >> id;) ids.push_back(id);
    INFO(vocabulary << " case " << cases << " '" << text << "'");
    CHECK(tokenizer.encode(text, false).value() == ids);
    CHECK(tokenizer.decode(ids) == text);
  }
  CHECK(cases == 46);
}

}  // namespace tern::test
