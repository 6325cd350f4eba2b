// Chat templates as publishers spell them: short ones whole, long ones reduced to the branches without tools.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace tern::test {

inline const std::string kChatml =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
    "'\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

inline std::string mistral_template(const std::string& open, const std::string& close, const std::string& answer) {
  return "{%- if messages[0][\"role\"] == \"system\" %}\n    {%- set system_message = messages[0][\"content\"] %}\n"
         "{%- endif %}\n{{- bos_token }}\n{%- for message in loop_messages %}\n"
         "    {%- if tools is not none %}\n        {{- \"[AVAILABLE_TOOLS] [\" }}\n    {%- endif %}\n"
         "    {%- if message[\"role\"] == \"user\" %}\n"
         "        {%- if loop.last and system_message is defined %}\n            {{- '" +
         open + "' + system_message + \"\\n\\n\" + message[\"content\"] + '" + close +
         "' }}\n        {%- else %}\n            {{- '" + open + "' + message[\"content\"] + '" + close +
         "' }}\n        {%- endif %}\n    {%- elif message[\"role\"] == \"assistant\" %}\n        {{- " + answer +
         "}}\n    {%- endif %}\n{%- endfor %}\n";
}

// Name as in chat_template_names(), template. Some names come twice.
inline std::vector<std::pair<std::string, std::string>> published_chat_templates() {
  const std::string qwen3_answer =
      "{%- for message in messages %}\n    {%- if message.role == \"assistant\" %}\n"
      "        {%- set content = message.content.split('</think>')[-1].lstrip('\\n') %}\n"
      "        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' }}\n    {%- endif %}\n{%- endfor "
      "%}\n";
  const std::string llama3_turn =
      "'<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>'";
  return {
      {"chatml", kChatml},
      {"llama3",
       "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = " + llama3_turn +
           " %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{{ "
           "'<|start_header_id|>assistant<|end_header_id|>\n\n' }}"},
      {"llama3.1",
       "{{- bos_token }}\n{%- if not date_string is defined %}\n    {%- set date_string = \"26 Jul 2024\" %}\n"
       "{%- endif %}\n{#- System message #}\n{{- \"<|start_header_id|>system<|end_header_id|>\\n\\n\" }}\n"
       "{{- \"Cutting Knowledge Date: December 2023\\n\" }}\n{{- \"Today Date: \" + date_string + \"\\n\\n\" }}\n"
       "{{- system_message }}\n{{- \"<|eot_id|>\" }}\n{%- for message in messages %}\n    {{- " +
           llama3_turn +
           " }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n"
           "    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}\n{%- endif %}\n"},
      {"llama2",
       "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = "
       "messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif "
       "%}{% for message in loop_messages %}{% if loop.index0 == 0 and system_message != false %}{% set content = "
       "'<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = "
       "message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + "
       "' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif "
       "%}{% endfor %}"},
      {"mistral-v1",
       "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' + "
       "message['content'] "
       "+ ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token + ' ' }}{% endif "
       "%}{% endfor %}"},
      {"mistral-v1",
       "{{- bos_token }}\n{%- for message in loop_messages %}\n    {%- if message['role'] == 'user' %}\n"
       "        {%- if loop.first and system_message is defined %}\n"
       "            {{- ' [INST] ' + system_message + '\\n\\n' + message['content'] + ' [/INST]' }}\n"
       "        {%- else %}\n            {{- ' [INST] ' + message['content'] + ' [/INST]' }}\n        {%- endif %}\n"
       "    {%- elif message['role'] == 'assistant' %}\n        {{- ' ' + message['content'] + eos_token}}\n"
       "    {%- endif %}\n{%- endfor %}\n"},
      {"mistral-v3", mistral_template("[INST] ", "[/INST]", "\" \" + message[\"content\"]|trim + eos_token")},
      {"mistral-tekken", mistral_template("[INST]", "[/INST]", "message[\"content\"] + eos_token")},
      {"qwen2",
       "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ "
       "'<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{% endif %}" +
           kChatml.substr(kChatml.find("{{'"))},
      {"qwen2.5",
       "{%- if messages[0]['role'] == 'system' %}\n    {{- '<|im_start|>system\\n' + messages[0]['content'] + "
       "'<|im_end|>\\n' }}\n{%- else %}\n    {{- '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are "
       "a helpful assistant.<|im_end|>\\n' }}\n{%- endif %}\n{%- for message in messages %}\n    {{- '<|im_start|>' + "
       "message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}\n{%- endfor %}\n"
       "{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}\n"},
      {"qwen3",
       "{%- if messages[0].role == 'system' %}\n    {{- '<|im_start|>system\\n' + messages[0].content + "
       "'<|im_end|>\\n' "
       "}}\n{%- endif %}\n" +
           qwen3_answer +
           "{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n    {%- if enable_thinking is "
           "defined and enable_thinking is false %}\n        {{- '<think>\\n\\n</think>\\n\\n' }}\n    {%- endif %}\n"
           "{%- endif %}"},
      {"bitnet",
       "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = message['role'] | "
       "capitalize + ': '+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = "
       "bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant: ' }}{% "
       "endif %}"},
      {"falcon3",
       "{%- for message in messages %}\n{%- if message['role'] == 'system' %}\n{{- '<|system|>\\n' + "
       "message['content'] + '\\n' }}\n{%- elif message['role'] == 'user' %}\n{{- '<|user|>\\n' + message['content'] + "
       "'\\n' }}\n{%- elif message['role'] == 'assistant' %}\n{{- '<|assistant|>\\n' + message['content'] + eos_token "
       "+ "
       "'\\n' }}\n{%- endif %}\n{%- if loop.last and add_generation_prompt %}\n{{- '<|assistant|>\\n' }}\n{%- endif "
       "%}\n{%- endfor %}"},
      {"zephyr",
       "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + "
       "eos_token }}\n{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token "
       "}}\n{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% "
       "endif %}\n{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}"}};
}

}  // namespace tern::test
