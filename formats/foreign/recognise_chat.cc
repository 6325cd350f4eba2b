#include "formats/foreign/recognise_chat.h"

#include <algorithm>
#include <initializer_list>
#include <set>
#include <string>
#include <vector>

#include "formats/foreign/jinja_text.h"

namespace tern {
namespace {

using Texts = std::vector<std::string_view>;

struct Rule {
  ChatTemplate chat;
  Texts needs, forbids, markers;
};

constexpr std::string_view kChatmlTurn = "'<|im_start|>'+message['role']+'\n'+message['content']+'<|im_end|>\n'";
constexpr std::string_view kChatmlPrompt = "'<|im_start|>assistant\n'";
constexpr std::string_view kLlama3Turn =
    "'<|start_header_id|>'+message['role']+'<|end_header_id|>\n\n'+message['content']|trim+'<|eot_id|>'";
constexpr std::string_view kLlama3Prompt = "'<|start_header_id|>assistant<|end_header_id|>\n\n'";
constexpr std::string_view kBitnetTurn = "message['role']|capitalize+': '+message['content']|trim+'<|eot_id|>'";
constexpr std::string_view kLastWithSystem = "loop.last and system_message is defined";

const Texts kChatmlMarkers = {"<|im_start|>", "<|im_end|>"};
const Texts kLlama3Markers = {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"};
const Texts kLlama31Markers = {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>",
                               "<|python_tag|>"};
const Texts kRoleMarkers = {"<|system|>", "<|user|>", "<|assistant|>"};
const Texts kInstMarkers = {"[INST]", "[/INST]"};
const Texts kToolMarkers = {"[INST]",       "[/INST]",        "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]",
                            "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"};

std::vector<Rule> chatml_rules() {
  return {{ChatTemplate::chatml,
           {kChatmlTurn, kChatmlPrompt},
           {"You are", "system", "think", "bos_token", "trim", "tools"},
           kChatmlMarkers},
          {ChatTemplate::qwen2,
           {kChatmlTurn, kChatmlPrompt, "'<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n'"},
           {"Alibaba", "think", "bos_token", "trim", "tools"},
           kChatmlMarkers},
          {ChatTemplate::qwen2_5,
           {kChatmlTurn, kChatmlPrompt,
            "'<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n'"},
           {"think", "bos_token", "trim"},
           kChatmlMarkers},
          {ChatTemplate::qwen3,
           {kChatmlPrompt, "'<|im_start|>system\n'+messages[0]['content']+'<|im_end|>\n'",
            "enable_thinking is defined and enable_thinking is false", "{{'<think>\n\n</think>\n\n'}}",
            ".split('</think>')[-1].lstrip('\n')"},
           {"system\nYou are", "You are a", "bos_token", "trim", "assistant\n<think>", "{{'<think>\n'}}"},
           kChatmlMarkers}};
}

std::vector<Rule> llama_rules() {
  return {{ChatTemplate::llama3,
           {kLlama3Turn, kLlama3Prompt, "bos_token"},
           {"system", "tools", "Knowledge"},
           kLlama3Markers},
          {ChatTemplate::llama3_1,
           {kLlama3Turn, kLlama3Prompt, "bos_token", "'<|start_header_id|>system<|end_header_id|>\n\n'",
            "'Cutting Knowledge Date: December 2023\n'", "date_string='26 Jul 2024'"},
           {"You are", "think"},
           kLlama31Markers},
          {ChatTemplate::llama2,
           {"'<<SYS>>\n'+system_message+'\n<</SYS>>\n\n'+message['content']", "set system_message=false",
            "bos_token+'[INST] '+content.strip()+' [/INST]'", "' '+content.strip()+' '+eos_token"},
           {"set system_message='", "You are"},
           {"[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"}},
          {ChatTemplate::bitnet, {kBitnetTurn, "{{'Assistant: '}}"}, {"system", "System"}, {"<|eot_id|>"}}};
}

std::vector<Rule> mistral_rules() {
  return {{ChatTemplate::mistral_v1,
           {"bos_token", "' [INST] '+system_message+'\n\n'+message['content']+' [/INST]'",
            "' [INST] '+message['content']+' [/INST]'", "' '+message['content']+eos_token",
            "loop.first and system_message is defined"},
           {},
           kInstMarkers},
          // The first publications, without a system message.
          {ChatTemplate::mistral_v1,
           {"{{bos_token}}", "{{'[INST] '+message['content']+' [/INST]'}}", "{{message['content']+eos_token"},
           {"system"},
           kInstMarkers},
          {ChatTemplate::mistral_v3,
           {"bos_token", "'[INST] '+system_message+'\n\n'+message['content']+'[/INST]'",
            "'[INST] '+message['content']+'[/INST]'", "' '+message['content']|trim+eos_token", kLastWithSystem},
           {},
           kToolMarkers},
          {ChatTemplate::mistral_tekken,
           {"bos_token", "'[INST]'+system_message+'\n\n'+message['content']+'[/INST]'",
            "'[INST]'+message['content']+'[/INST]'", "{{message['content']+eos_token}}", kLastWithSystem},
           {},
           kToolMarkers}};
}

std::vector<Rule> role_rules() {
  return {
      {ChatTemplate::falcon3,
       {"{{'<|system|>\n'+message['content']+'\n'}}", "{{'<|user|>\n'+message['content']+'\n'}}",
        "{{'<|assistant|>\n'+message['content']+eos_token+'\n'}}", "{{'<|assistant|>\n'}}"},
       {"bos_token", "trim"},
       kRoleMarkers},
      // The line ends stand outside of the expressions, or inside.
      {ChatTemplate::zephyr,
       {"{{'<|system|>\n'+message['content']+eos_token}}\n", "{{'<|user|>\n'+message['content']+eos_token}}\n",
        "{{'<|assistant|>\n'+message['content']+eos_token}}\n", "{{'<|assistant|>'}}\n"},
       {"bos_token", "trim", "eos_token+"},
       kRoleMarkers},
      {ChatTemplate::zephyr,
       {"{{'<|system|>\n'+message['content']+eos_token+'\n'}}", "{{'<|user|>\n'+message['content']+eos_token+'\n'}}",
        "{{'<|assistant|>\n'+message['content']+eos_token+'\n'}}", "{{'<|assistant|>\n'}}"},
       {"bos_token", "trim", "eos_token}}"},
       kRoleMarkers}};
}

// The length of a marker that begins here: an opening, letters and '_' in between, a closing; 0 if there is none.
size_t marker_at(std::string_view text, std::string_view open, std::string_view close, std::string_view letters) {
  if (!text.starts_with(open)) return 0;
  size_t end = open.size() + (text.substr(open.size()).starts_with('/') ? 1 : 0);
  const size_t begin = end;
  while (end < text.size() && letters.find(text[end]) != std::string_view::npos) ++end;
  return end > begin && text.substr(end).starts_with(close) ? end + close.size() : 0;
}

bool only_markers(std::string_view text, const Texts& allowed) {
  constexpr std::string_view kUpper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_";
  constexpr std::string_view kWord = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz0123456789";
  for (size_t at = 0; at < text.size(); ++at) {
    const std::string_view rest = text.substr(at);
    const size_t bytes = std::max(
        {marker_at(rest, "<|", "|>", kWord), marker_at(rest, "[", "]", kUpper), marker_at(rest, "<<", ">>", kUpper)});
    if (bytes > 0 && std::find(allowed.begin(), allowed.end(), rest.substr(0, bytes)) == allowed.end()) return false;
  }
  return true;
}

bool holds(const Rule& rule, std::string_view text) {
  const auto has = [&](std::string_view part) { return text.find(part) != std::string_view::npos; };
  return std::all_of(rule.needs.begin(), rule.needs.end(), has) &&
         std::none_of(rule.forbids.begin(), rule.forbids.end(), has) && only_markers(text, rule.markers);
}

}  // namespace

std::optional<ChatTemplate> recognise_chat_template(std::string_view jinja) {
  if (jinja.size() > kMaxJinjaBytes) return {};
  const std::string text = canonical_jinja(jinja);
  std::set<ChatTemplate> found;
  for (const auto& rules : {chatml_rules(), llama_rules(), mistral_rules(), role_rules()}) {
    for (const Rule& rule : rules) {
      if (holds(rule, text)) found.insert(rule.chat);
    }
  }
  if (found.size() != 1) return {};
  return *found.begin();
}

}  // namespace tern
