#include "formats/tern/chat_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace tern {
namespace {

constexpr std::pair<ChatTemplate, std::string_view> kChatTemplates[] = {
    {ChatTemplate::llama2, "llama2"},
    {ChatTemplate::llama3, "llama3"},
    {ChatTemplate::llama3_1, "llama3.1"},
    {ChatTemplate::mistral_v1, "mistral-v1"},
    {ChatTemplate::mistral_v3, "mistral-v3"},
    {ChatTemplate::mistral_tekken, "mistral-tekken"},
    {ChatTemplate::chatml, "chatml"},
    {ChatTemplate::qwen2, "qwen2"},
    {ChatTemplate::qwen2_5, "qwen2.5"},
    {ChatTemplate::qwen3, "qwen3"},
    {ChatTemplate::qwen3_no_think, "qwen3-no-think"},
    {ChatTemplate::bitnet, "bitnet"},
    {ChatTemplate::falcon3, "falcon3"},
    {ChatTemplate::zephyr, "zephyr"},
};

}  // namespace

std::string name_of(ChatTemplate chat) {
  for (const auto& [known, name] : kChatTemplates) {
    if (known == chat) return std::string(name);
  }
  return fmt::format("unknown ({})", static_cast<unsigned>(chat));
}

std::optional<ChatTemplate> find_chat_template(std::string_view name) {
  const auto found = std::find_if(std::begin(kChatTemplates), std::end(kChatTemplates),
                                  [&](const auto& entry) { return entry.second == name; });
  if (found == std::end(kChatTemplates)) return {};
  return found->first;
}

std::vector<std::string> chat_template_names() {
  std::vector<std::string> names;
  for (const auto& entry : kChatTemplates) names.emplace_back(entry.second);
  return names;
}

}  // namespace tern
