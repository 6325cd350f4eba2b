// What the import tests share: a temporary folder, files, a safetensors file built by hand, and a second,
// deliberately plain decoder of safetensors that trusts its input.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "formats/import/source_model.h"
#include "tests/tools/checkpoint_writer.h"

namespace tern::test {

class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  std::string path(const std::string& name = "") const { return name.empty() ? folder_ : folder_ + "/" + name; }
  std::vector<std::string> files() const;  // names, sorted

 private:
  std::string folder_;
};

void write_file(const std::string& path, const std::string& bytes);
std::string read_file(const std::string& path);
inline std::span<const std::byte> as_bytes(const std::string& s) { return std::as_bytes(std::span(s)); }

// A safetensors file: u64 length, header, data.
std::string safetensors_bytes(const std::string& header, const std::string& data);

// Named tensors that can be changed before they are written: how damaged checkpoints are made.
struct PlainTensor {
  std::string dtype;
  std::vector<uint64_t> shape;
  std::string data;
};
using PlainTensors = std::map<std::string, PlainTensor>;
PlainTensors decode_safetensors(const std::string& bytes);
std::string encode_safetensors(const PlainTensors& tensors);
std::vector<float> as_floats(const PlainTensor& tensor);  // F32, F16, BF16, I8, U8

// All of a source matrix, read in two uneven parts as a converter streams them; throws when a read fails.
std::vector<float> all_rows(const SourceMatrix& matrix);

// A made checkpoint whose config and tensors can be changed before it is imported.
struct Checkpoint {
  TemporaryFolder folder;
  nlohmann::json config;
  PlainTensors tensors;
  ImportOptions options;

  explicit Checkpoint(const CheckpointSpec& spec);  // throws if it cannot be written
  Result<SourceModel> import() const;
  std::string error() const;  // of the import; "no error"
  void rename(const std::string& from, const std::string& to);
};

// Checks that an error's sentence holds `expected`.
void says(const std::string& message, const std::string& expected);

// A float as IEEE binary16, by arithmetic on exponents (not base/half).
float half_by_definition(uint16_t bits);

}  // namespace tern::test
