#include "runtime/text/chat/chat_patterns.h"

#include <algorithm>
#include <iterator>

namespace tern {
namespace {

using SystemAt = ChatPattern::SystemAt;

constexpr std::string_view kChatmlSystem = "{!<|im_start|>}system\n{system}{!<|im_end|>}\n";
constexpr std::string_view kChatmlUser = "{!<|im_start|>}user\n{user}{!<|im_end|>}\n";
constexpr std::string_view kChatmlPrompt = "{!<|im_start|>}assistant\n";
constexpr std::string_view kChatmlClose = "{!<|im_end|>}\n";
constexpr std::string_view kLlama3User = "{!<|start_header_id|>}user{!<|end_header_id|>}\n\n{user}{!<|eot_id|>}";
constexpr std::string_view kLlama3Prompt = "{!<|start_header_id|>}assistant{!<|end_header_id|>}\n\n";

constexpr ChatPattern chatml(ChatTemplate chat, const char* default_system) {
  ChatPattern p = {chat, "", kChatmlSystem, kChatmlUser, kChatmlPrompt, "", kChatmlClose};
  p.default_system = default_system;
  return p;
}

// Answers given before stand without their thoughts; without thinking, a new one begins with an empty thought.
constexpr ChatPattern qwen3(ChatTemplate chat, std::string_view prompt) {
  ChatPattern p = chatml(chat, nullptr);
  p.prompt = prompt;
  p.history = kChatmlPrompt;
  p.drop_thinking = true;
  return p;
}

constexpr ChatPattern llama2() {
  ChatPattern p = {ChatTemplate::llama2,
                   "",
                   "{bos}[INST] <<SYS>>\n{system}\n<</SYS>>\n\n{user} [/INST]",
                   "{bos}[INST] {user} [/INST]",
                   "",
                   " ",
                   " {eos}",
                   SystemAt::first_user};
  p.trim = p.trim_answer = true;
  return p;
}

constexpr ChatPattern llama3() {
  ChatPattern p = {
      ChatTemplate::llama3, "{bos}",       "{!<|start_header_id|>}system{!<|end_header_id|>}\n\n{system}{!<|eot_id|>}",
      kLlama3User,          kLlama3Prompt, "",
      "{!<|eot_id|>}"};
  p.trim = p.trim_answer = true;
  return p;
}

// The date is the one that the publisher's template writes where it cannot ask for today's.
constexpr ChatPattern llama3_1() {
  ChatPattern p = llama3();
  p.chat = ChatTemplate::llama3_1;
  p.system =
      "{!<|start_header_id|>}system{!<|end_header_id|>}\n\nCutting Knowledge Date: December 2023\n"
      "Today Date: 26 Jul 2024\n\n{system}{!<|eot_id|>}";
  p.default_system = "";
  return p;
}

// As mistral-common writes them: text in and around [INST], tokens, tokens without spaces.
constexpr ChatPattern mistral_v1() {
  ChatPattern p = {ChatTemplate::mistral_v1,
                   "{bos}",
                   " {?[INST]} {system}\n\n{user} {?[/INST]}",
                   " {?[INST]} {user} {?[/INST]}",
                   "",
                   " ",
                   "{eos}",
                   SystemAt::first_user};
  p.spaces_written = true;
  return p;
}

constexpr ChatPattern mistral_v3() {
  ChatPattern p = {ChatTemplate::mistral_v3,
                   "{bos}",
                   "{![INST]} {system}\n\n{user}{![/INST]}",
                   "{![INST]} {user}{![/INST]}",
                   "",
                   " ",
                   "{eos}",
                   SystemAt::last_user};
  p.trim_answer = p.spaces_written = true;
  return p;
}

constexpr ChatPattern mistral_tekken() {
  ChatPattern p = {ChatTemplate::mistral_tekken,
                   "{bos}",
                   "{![INST]}{system}\n\n{user}{![/INST]}",
                   "{![INST]}{user}{![/INST]}",
                   "",
                   "",
                   "{eos}",
                   SystemAt::last_user};
  p.spaces_written = true;
  return p;
}

constexpr ChatPattern bitnet() {
  ChatPattern p = {
      ChatTemplate::bitnet, "{bos}", "System: {system}{!<|eot_id|>}", "User: {user}{!<|eot_id|>}", "Assistant: ", "",
      "{!<|eot_id|>}"};
  p.trim = p.trim_answer = true;
  return p;
}

constexpr ChatPattern falcon3() {
  return {ChatTemplate::falcon3,
          "",
          "{?<|system|>}\n{system}\n",
          "{?<|user|>}\n{user}\n",
          "{?<|assistant|>}\n",
          "",
          "{eos}\n"};
}

constexpr ChatPattern zephyr() {
  return {ChatTemplate::zephyr,
          "",
          "{?<|system|>}\n{system}{eos}\n",
          "{?<|user|>}\n{user}{eos}\n",
          "{?<|assistant|>}\n",
          "",
          "{eos}\n"};
}

constexpr ChatPattern kPatterns[] = {
    llama2(),
    llama3(),
    llama3_1(),
    mistral_v1(),
    mistral_v3(),
    mistral_tekken(),
    chatml(ChatTemplate::chatml, nullptr),
    chatml(ChatTemplate::qwen2, "You are a helpful assistant."),
    chatml(ChatTemplate::qwen2_5, "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."),
    qwen3(ChatTemplate::qwen3, kChatmlPrompt),
    qwen3(ChatTemplate::qwen3_no_think, "{!<|im_start|>}assistant\n<think>\n\n</think>\n\n"),
    bitnet(),
    falcon3(),
    zephyr(),
};

}  // namespace

const ChatPattern* find_chat_pattern(ChatTemplate chat) {
  const auto found =
      std::find_if(std::begin(kPatterns), std::end(kPatterns), [&](const ChatPattern& p) { return p.chat == chat; });
  return found == std::end(kPatterns) ? nullptr : found;
}

}  // namespace tern
