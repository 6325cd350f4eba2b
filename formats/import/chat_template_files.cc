#include "formats/import/chat_template_files.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "formats/foreign/json_document.h"
#include "formats/foreign/recognise_chat.h"
#include "formats/import/checkpoint_files.h"
#include "formats/tern/chat_template.h"

namespace tern {
namespace {

using nlohmann::json;

struct Found {
  std::string text;
  std::string where;
};

Result<std::string> template_of(const json& value, const std::string& where) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return corrupt(where + ": expected a string or a list of named templates");
  for (const json& entry : value) {
    if (!entry.is_object() || !entry.contains("name") || !entry.contains("template") ||
        !entry["template"].is_string()) {
      return corrupt(where + ": expected objects with name and template");
    }
    if (entry["name"] == "default") return entry["template"].get<std::string>();
  }
  return std::string();  // named ones only: none of them is for plain conversations
}

Result<std::optional<Found>> find_template(const std::filesystem::path& directory) {
  const std::string jinja = (directory / "chat_template.jinja").string();
  if (file_exists(jinja)) {
    TERN_ASSIGN(std::string text, read_small_file(jinja, kMaxJinjaBytes));
    return std::optional(Found{std::move(text), "chat_template.jinja"});
  }
  for (const char* name : {"tokenizer_config.json", "chat_template.json"}) {
    const std::string path = (directory / name).string();
    if (!file_exists(path)) continue;
    TERN_ASSIGN(const json file, read_json_file(path));
    if (!file.is_object() || !file.contains("chat_template") || file["chat_template"].is_null()) continue;
    TERN_ASSIGN(std::string text, template_of(file["chat_template"], path + ": chat_template"));
    return std::optional(Found{std::move(text), name});
  }
  return std::optional<Found>();
}

}  // namespace

Status import_chat_template(const std::string& directory, SourceModel* model) {
  TERN_ASSIGN(const std::optional<Found> found, find_template(directory));
  if (!found) {
    model->chat_note = "none beside the checkpoint";
    return {};
  }
  model->chat = recognise_chat_template(found->text);
  model->chat_note = model->chat ? fmt::format("{} (recognised in {})", name_of(*model->chat), found->where)
                                 : fmt::format("that of {} is none of those built in", found->where);
  return {};
}

}  // namespace tern
