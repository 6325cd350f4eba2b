#include "formats/foreign/json_document.h"

#include <fmt/format.h>

#include <exception>
#include <set>
#include <vector>

#include "base/mapped_file.h"

namespace tern {
namespace {

bool nested_deeper_than(std::string_view text, size_t limit) {
  size_t depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > limit) return true;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return false;
}

// Remembers the keys of every open object; nlohmann keeps only the last of equal keys.
class DuplicateKeys {
 public:
  bool operator()(int, nlohmann::json::parse_event_t event, nlohmann::json& value) {
    using Event = nlohmann::json::parse_event_t;
    if (event == Event::object_start) open_.emplace_back();
    if (event == Event::object_end) open_.pop_back();
    if (event == Event::key && !open_.back().insert(value.get<std::string>()).second && duplicate_.empty()) {
      duplicate_ = value.get<std::string>();
      found_ = true;
    }
    return true;
  }
  bool found() const { return found_; }
  const std::string& key() const { return duplicate_; }

 private:
  std::vector<std::set<std::string>> open_;
  std::string duplicate_;
  bool found_ = false;
};

}  // namespace

Result<nlohmann::json> parse_json(std::string_view text, const std::string& name) {
  if (nested_deeper_than(text, kMaxJsonDepth)) {
    return corrupt(fmt::format("{}: JSON nested deeper than {} levels", name, kMaxJsonDepth));
  }
  try {
    DuplicateKeys duplicates;
    nlohmann::json value = nlohmann::json::parse(text.begin(), text.end(), std::ref(duplicates));
    if (duplicates.found()) return corrupt(fmt::format("{}: the key '{}' appears twice", name, duplicates.key()));
    return value;
  } catch (const std::bad_alloc&) {
    return out_of_memory(fmt::format("{}: not enough memory to parse the JSON", name));
  } catch (const std::exception& e) {
    return corrupt(fmt::format("{}: not valid JSON ({})", name, e.what()));
  }
}

Result<std::string> read_small_file(const std::string& path, size_t limit) {
  TERN_ASSIGN(MappedFile file, MappedFile::open(path));
  if (file.bytes().size() > limit) {
    return corrupt(
        fmt::format("{}: {} bytes, more than the {} that such a file may have", path, file.bytes().size(), limit));
  }
  const auto* begin = reinterpret_cast<const char*>(file.bytes().data());
  return std::string(begin, file.bytes().size());
}

Result<nlohmann::json> read_json_file(const std::string& path) {
  TERN_ASSIGN(std::string text, read_small_file(path, kMaxJsonFileBytes));
  return parse_json(text, path);
}

}  // namespace tern
