#include "tests/import/fixtures.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <sstream>
#include <stdexcept>

namespace tern::test {

namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  static std::atomic<int> counter{0};
  folder_ =
      (fs::temp_directory_path() / ("tern_import_" + std::to_string(::getpid()) + "_" + std::to_string(counter++)))
          .string();
  fs::create_directories(folder_);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

std::vector<std::string> TemporaryFolder::files() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder_)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

void write_file(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string safetensors_bytes(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

PlainTensors decode_safetensors(const std::string& bytes) {
  uint64_t length;
  std::memcpy(&length, bytes.data(), 8);
  const auto header = nlohmann::json::parse(bytes.substr(8, length));
  PlainTensors tensors;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    const uint64_t begin = entry["data_offsets"][0], end = entry["data_offsets"][1];
    tensors[name] = {entry["dtype"], entry["shape"], bytes.substr(8 + length + begin, end - begin)};
  }
  return tensors;
}

std::string encode_safetensors(const PlainTensors& tensors) {
  nlohmann::json header = nlohmann::json::object();
  std::string data;
  for (const auto& [name, tensor] : tensors) {
    header[name] = {{"dtype", tensor.dtype},
                    {"shape", tensor.shape},
                    {"data_offsets", {data.size(), data.size() + tensor.data.size()}}};
    data += tensor.data;
  }
  return safetensors_bytes(header.dump(), data);
}

Checkpoint::Checkpoint(const CheckpointSpec& spec) {
  const Status status = write_checkpoint(folder.path(), spec);
  if (!status.ok()) throw std::runtime_error(status.message());
  config = nlohmann::json::parse(read_file(folder.path("config.json")));
  tensors = decode_safetensors(read_file(folder.path("model.safetensors")));
}

Result<SourceModel> Checkpoint::import() const {
  write_file(folder.path("config.json"), config.dump());
  write_file(folder.path("model.safetensors"), encode_safetensors(tensors));
  return import_checkpoint(folder.path(), options);
}

std::string Checkpoint::error() const {
  const auto model = import();
  return model.ok() ? "no error" : model.status().message();
}

void Checkpoint::rename(const std::string& from, const std::string& to) {
  auto node = tensors.extract(from);
  if (node.empty()) throw std::runtime_error("no tensor " + from);
  node.key() = to;
  tensors.insert(std::move(node));
}

float half_by_definition(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const float magnitude = exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                        : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  return bits >> 15 ? -magnitude : magnitude;
}

std::vector<float> as_floats(const PlainTensor& tensor) {
  std::vector<float> values;
  const auto* bytes = reinterpret_cast<const unsigned char*>(tensor.data.data());
  const size_t width = tensor.dtype == "F32" ? 4 : tensor.dtype == "I8" || tensor.dtype == "U8" ? 1 : 2;
  for (size_t i = 0; i < tensor.data.size(); i += width) {
    if (tensor.dtype == "I8") {
      values.push_back(static_cast<float>(static_cast<signed char>(bytes[i])));
    } else if (tensor.dtype == "U8") {
      values.push_back(static_cast<float>(bytes[i]));
    } else if (tensor.dtype == "F16") {
      values.push_back(half_by_definition(static_cast<uint16_t>(bytes[i] | bytes[i + 1] << 8)));
    } else {
      uint32_t word = 0;
      std::memcpy(&word, bytes + i, width);
      if (width == 2) word <<= 16;
      float value;
      std::memcpy(&value, &word, 4);
      values.push_back(value);
    }
  }
  return values;
}

std::vector<float> all_rows(const SourceMatrix& matrix) {
  std::vector<float> values(matrix.rows * matrix.cols);
  const uint64_t first = matrix.rows / 3;
  const std::span<float> all(values);
  for (const Status& status : {matrix.read_rows(0, first, all.first(first * matrix.cols)),
                               matrix.read_rows(first, matrix.rows - first, all.subspan(first * matrix.cols))}) {
    if (!status.ok()) throw std::runtime_error(status.message());
  }
  return values;
}

void says(const std::string& message, const std::string& expected) {
  INFO("'" << message << "' should say '" << expected << "'");
  CHECK(message.find(expected) != std::string::npos);
}

}  // namespace tern::test
