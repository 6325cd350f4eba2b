// Numbers as bytes on standard input and output, for programs that an oracle in Python runs.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace tern::test {

template <class T>
std::vector<T> read_values(size_t count) {
  std::vector<T> values(count);
  if (std::fread(values.data(), sizeof(T), count, stdin) != count) std::exit(3);
  return values;
}

template <class T>
void write_values(const std::vector<T>& values) {
  std::fwrite(values.data(), sizeof(T), values.size(), stdout);
}

}  // namespace tern::test
