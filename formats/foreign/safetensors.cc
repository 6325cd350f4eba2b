#include "formats/foreign/safetensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <set>
#include <string_view>

#include "base/checked.h"
#include "formats/foreign/json_document.h"

namespace tern {
namespace {

using nlohmann::json;

struct TypeRow {
  const char* name;
  uint64_t bytes;
};
constexpr std::array<TypeRow, 13> kTypes = {{{"BOOL", 1},
                                             {"U8", 1},
                                             {"I8", 1},
                                             {"U16", 2},
                                             {"I16", 2},
                                             {"U32", 4},
                                             {"I32", 4},
                                             {"U64", 8},
                                             {"I64", 8},
                                             {"F16", 2},
                                             {"BF16", 2},
                                             {"F32", 4},
                                             {"F64", 8}}};

std::optional<ForeignType> find_type(std::string_view name) {
  for (size_t i = 0; i < kTypes.size(); ++i) {
    if (name == kTypes[i].name) return static_cast<ForeignType>(i);
  }
  return {};
}

Result<uint64_t> count_of(const json& value, const std::string& what) {
  if (!value.is_number_unsigned()) return corrupt(fmt::format("{} must be a count, found {}", what, value.dump()));
  return value.get<uint64_t>();
}

Status read_shape(const json& entry, const std::string& where, ForeignTensor* tensor) {
  const auto shape = entry.find("shape");
  if (shape == entry.end() || !shape->is_array()) return corrupt(where + ": 'shape' must be an array");
  for (const json& extent : *shape) {
    TERN_ASSIGN(const uint64_t n, count_of(extent, where + ": every entry of 'shape'"));
    tensor->shape.push_back(n);
  }
  return {};
}

// Offsets are relative to the end of the header, at `base`; `data` bytes follow it.
Status read_offsets(const json& entry, const std::string& where, uint64_t base, uint64_t data, ForeignTensor* tensor) {
  const auto offsets = entry.find("data_offsets");
  if (offsets == entry.end() || !offsets->is_array() || offsets->size() != 2) {
    return corrupt(where + ": 'data_offsets' must be an array of two counts");
  }
  TERN_ASSIGN(const uint64_t begin, count_of((*offsets)[0], where + ": 'data_offsets'"));
  TERN_ASSIGN(const uint64_t end, count_of((*offsets)[1], where + ": 'data_offsets'"));
  if (begin > end || end > data) {
    return corrupt(fmt::format("{}: data_offsets [{}, {}] leave the {} bytes of data", where, begin, end, data));
  }
  Checked size = kTypes[static_cast<size_t>(tensor->type)].bytes;
  for (uint64_t n : tensor->shape) size = checked_mul(size, n);
  if (!size || *size != end - begin) {
    return corrupt(fmt::format("{}: {} takes {} bytes, data_offsets hold {}", where, describe(*tensor),
                               size ? std::to_string(*size) : "more than 2^64", end - begin));
  }
  tensor->offset = base + begin;
  tensor->bytes = end - begin;
  return {};
}

Result<ForeignTensor> read_entry(const std::string& name, const json& entry, const std::string& file, uint64_t base,
                                 uint64_t data) {
  const std::string where = fmt::format("{}: tensor '{}'", file, name);
  if (!entry.is_object()) return corrupt(where + ": its header entry must be an object");
  for (const auto& [key, value] : entry.items()) {
    if (key != "dtype" && key != "shape" && key != "data_offsets") {
      return unsupported(fmt::format("{}: unknown header field '{}'", where, key));
    }
  }
  ForeignTensor tensor;
  tensor.name = name;
  const auto dtype = entry.find("dtype");
  if (dtype == entry.end() || !dtype->is_string()) return corrupt(where + ": 'dtype' must be a string");
  const auto type = find_type(dtype->get_ref<const std::string&>());
  if (!type) return unsupported(fmt::format("{}: unknown dtype '{}'", where, dtype->get_ref<const std::string&>()));
  tensor.type = *type;
  TERN_TRY(read_shape(entry, where, &tensor));
  TERN_TRY(read_offsets(entry, where, base, data, &tensor));
  return tensor;
}

Status check_coverage(const std::vector<ForeignTensor>& tensors, const std::string& file, uint64_t base,
                      uint64_t file_bytes) {
  uint64_t expected = base;
  for (const ForeignTensor& tensor : tensors) {
    if (tensor.offset != expected) {
      return corrupt(fmt::format("{}: tensor '{}' {} the tensor before it: it starts at byte {}, expected {}", file,
                                 tensor.name, tensor.offset < expected ? "overlaps" : "leaves a gap after",
                                 tensor.offset - base, expected - base));
    }
    expected = tensor.offset + tensor.bytes;
  }
  if (expected != file_bytes) {
    return corrupt(fmt::format("{}: {} bytes follow the last tensor", file, file_bytes - expected));
  }
  return {};
}

Result<std::string_view> header_text(std::span<const std::byte> bytes, const std::string& file) {
  if (bytes.size() < 8) {
    return corrupt(fmt::format("{}: {} bytes, too short for a safetensors file", file, bytes.size()));
  }
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  if (length > kMaxSafetensorsHeader) {
    return corrupt(fmt::format("{}: header length {} exceeds the limit of {}", file, length, kMaxSafetensorsHeader));
  }
  if (!in_range(8, length, bytes.size())) {
    return corrupt(
        fmt::format("{}: header length {} reaches past the end of the file ({} bytes)", file, length, bytes.size()));
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + 8, length);
  if (text.empty() || text.front() != '{') return corrupt(file + ": the header must start with '{'");
  return text;
}

}  // namespace

const char* foreign_type_name(ForeignType type) { return kTypes[static_cast<size_t>(type)].name; }
uint64_t foreign_type_bytes(ForeignType type) { return kTypes[static_cast<size_t>(type)].bytes; }

std::string describe(const ForeignTensor& tensor) {
  return fmt::format("{} [{}]", foreign_type_name(tensor.type), fmt::join(tensor.shape, ", "));
}

Result<std::vector<ForeignTensor>> parse_safetensors(std::span<const std::byte> bytes, const std::string& name) {
  TERN_ASSIGN(const std::string_view text, header_text(bytes, name));
  TERN_ASSIGN(const json header, parse_json(text, name + ": header"));
  const uint64_t base = 8 + text.size();
  std::vector<ForeignTensor> tensors;
  for (const auto& [key, entry] : header.items()) {
    if (key == "__metadata__") continue;  // strings for people: framework, authors
    TERN_ASSIGN(ForeignTensor tensor, read_entry(key, entry, name, base, bytes.size() - base));
    tensors.push_back(std::move(tensor));
  }
  std::stable_sort(tensors.begin(), tensors.end(), [](const ForeignTensor& a, const ForeignTensor& b) {
    return a.offset != b.offset ? a.offset < b.offset : a.bytes < b.bytes;
  });
  TERN_TRY(check_coverage(tensors, name, base, bytes.size()));
  return tensors;
}

const TensorSet::Entry* TensorSet::find(const std::string& name) const {
  const auto it = entries_.find(name);
  return it == entries_.end() ? nullptr : &it->second;
}

Status TensorSet::add_file(const std::string& path, std::vector<std::string>* names) {
  TERN_ASSIGN(MappedFile mapped, MappedFile::open(path));
  files_.push_back(std::make_unique<MappedFile>(std::move(mapped)));
  const MappedFile* file = files_.back().get();
  TERN_ASSIGN(std::vector<ForeignTensor> tensors, parse_safetensors(file->bytes(), path));
  for (ForeignTensor& tensor : tensors) {
    names->push_back(tensor.name);
    const std::string name = tensor.name;
    const auto [it, inserted] = entries_.emplace(name, Entry{std::move(tensor), file});
    if (!inserted) {
      return corrupt(fmt::format("{}: tensor '{}' stands also in {}", path, name, it->second.file->path()));
    }
  }
  return {};
}

Result<std::shared_ptr<const TensorSet>> TensorSet::open_file(const std::string& path) {
  auto set = std::make_shared<TensorSet>();
  std::vector<std::string> names;
  TERN_TRY(set->add_file(path, &names));
  return std::shared_ptr<const TensorSet>(std::move(set));
}

namespace {

// weight_map as shard -> names, after checking that every shard is a plain file name.
Result<std::map<std::string, std::set<std::string>>> read_weight_map(const std::string& index_path) {
  TERN_ASSIGN(const json index, read_json_file(index_path));
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    return corrupt(index_path + ": 'weight_map' must be an object");
  }
  for (const auto& [key, value] : index.items()) {
    if (key != "weight_map" && key != "metadata") {
      return unsupported(fmt::format("{}: unknown field '{}'", index_path, key));
    }
  }
  std::map<std::string, std::set<std::string>> shards;
  for (const auto& [tensor, file] : index["weight_map"].items()) {
    const std::string shard = file.is_string() ? file.get<std::string>() : std::string();
    if (shard.empty() || shard == "." || shard == ".." ||
        shard.find_first_of(std::string_view("/\\\0", 3)) != shard.npos) {
      return corrupt(fmt::format("{}: weight_map sends '{}' to {}, which is not the name of a file in this directory",
                                 index_path, tensor, file.dump()));
    }
    shards[shard].insert(tensor);
  }
  if (shards.empty()) return corrupt(index_path + ": 'weight_map' is empty");
  return shards;
}

}  // namespace

Result<std::shared_ptr<const TensorSet>> TensorSet::open_index(const std::string& index_path) {
  TERN_ASSIGN(const auto shards, read_weight_map(index_path));
  const std::filesystem::path directory = std::filesystem::path(index_path).parent_path();
  auto set = std::make_shared<TensorSet>();
  for (const auto& [shard, wanted] : shards) {
    const std::string path = (directory / shard).string();
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) {
      return not_found(fmt::format("{}: the shard '{}' that weight_map names is missing", index_path, shard));
    }
    std::vector<std::string> names;
    TERN_TRY(set->add_file(path, &names));
    for (const std::string& name : names) {
      if (!wanted.contains(name)) {
        return corrupt(fmt::format("{}: tensor '{}' is not in the index {} for this shard", path, name, index_path));
      }
    }
    const std::set<std::string> present(names.begin(), names.end());
    for (const std::string& name : wanted) {
      if (!present.contains(name)) {
        return corrupt(fmt::format("{}: the index {} expects tensor '{}' here, it is missing", path, index_path, name));
      }
    }
  }
  return std::shared_ptr<const TensorSet>(std::move(set));
}

}  // namespace tern
