#include "formats/import/checkpoint_files.h"

#include <fmt/format.h>

#include <filesystem>
#include <vector>

namespace tern {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kIndexEnding = ".safetensors.index.json";

std::string join(const std::string& directory, const std::string& name) {
  return (fs::path(directory) / name).string();
}

std::string directory_of(const std::string& path) {
  const std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

Status find_config(const std::string& stem, CheckpointFiles* files) {
  const std::string usual = join(files->directory, "config.json");
  const std::string named = join(files->directory, stem + "_config.json");
  if (file_exists(usual)) {
    files->config = usual;
  } else if (file_exists(named)) {
    files->config = named;
  } else {
    return not_found(fmt::format("{}: neither config.json nor {}_config.json stands beside it", files->weights, stem));
  }
  return {};
}

// The only .safetensors file of a directory, if there is just one.
std::vector<std::string> safetensors_in(const std::string& directory) {
  std::vector<std::string> found;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".safetensors") found.push_back(it->path().string());
  }
  return found;
}

Result<CheckpointFiles> in_directory(const std::string& directory) {
  CheckpointFiles files;
  files.directory = directory;
  const std::string single = join(directory, "model.safetensors");
  const std::string index = join(directory, "model.safetensors.index.json");
  if (file_exists(single) && file_exists(index)) {
    return invalid_argument(
        fmt::format("{} holds both model.safetensors and model.safetensors.index.json: name the one to "
                    "convert",
                    directory));
  }
  if (file_exists(index)) {
    files.kind = CheckpointFiles::Kind::huggingface_index;
    files.weights = index;
  } else {
    const auto others = safetensors_in(directory);
    if (!file_exists(single) && others.size() != 1) {
      return not_found(fmt::format("{} holds no model.safetensors and no model.safetensors.index.json", directory));
    }
    files.kind = CheckpointFiles::Kind::huggingface_file;
    files.weights = file_exists(single) ? single : others[0];
  }
  files.config = join(directory, "config.json");
  if (!file_exists(files.config)) return not_found(directory + " holds no config.json");
  return files;
}

}  // namespace

bool file_exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

Result<CheckpointFiles> find_checkpoint(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return not_found(fmt::format("{}: no such file or directory", path));
  if (fs::is_directory(path, error)) return in_directory(path);

  CheckpointFiles files;
  files.weights = path;
  files.directory = directory_of(path);
  const std::string name = fs::path(path).filename().string();
  if (name.ends_with(kIndexEnding)) {
    files.kind = CheckpointFiles::Kind::huggingface_index;
    TERN_TRY(find_config(name.substr(0, name.size() - kIndexEnding.size()), &files));
  } else if (name.ends_with(".safetensors")) {
    files.kind = CheckpointFiles::Kind::huggingface_file;
    TERN_TRY(find_config(fs::path(name).stem().string(), &files));
  } else if (!name.ends_with(".bin")) {
    return unsupported(
        fmt::format("{}: expected a directory, a .safetensors file, its .safetensors.index.json, or a "
                    "llama2.c .bin file",
                    path));
  }
  return files;
}

}  // namespace tern
