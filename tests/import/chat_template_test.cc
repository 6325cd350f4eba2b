// Which published templates are recognised, and which look alike and are not. The long ones are cut to what decides.
#include <catch2/catch.hpp>

#include "formats/foreign/jinja_text.h"
#include "formats/foreign/recognise_chat.h"
#include "formats/import/chat_template_files.h"
#include "formats/tern/chat_template.h"
#include "tests/import/chat_templates.h"
#include "tests/import/fixtures.h"

using namespace tern;
using namespace tern::test;
using nlohmann::json;

namespace {

std::string template_of(const std::string& text) {
  const auto found = recognise_chat_template(text);
  return found ? name_of(*found) : "none";
}

std::string exchanged(std::string text, const std::string& from, const std::string& to) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size(), ++count) {
    text.replace(at, from.size(), to);
  }
  INFO(from);
  REQUIRE(count > 0);
  return text;
}

SourceModel with_template(const TemporaryFolder& folder) {
  SourceModel model;
  const Status status = import_chat_template(folder.path(), &model);
  INFO(status.message());
  REQUIRE(status.ok());
  return model;
}

}  // namespace

TEST_CASE("published templates are recognised, however they are spelled", "[chat]") {
  for (const auto& [name, text] : published_chat_templates()) {
    INFO(text);
    CHECK(template_of(text) == name);
    CHECK(template_of(text + "\n") == name);
    CHECK(template_of("{# a comment #}" + text) == name);
    std::string windows;
    for (const char c : text) windows += c == '\n' ? "\r\n" : std::string(1, c);
    CHECK(template_of(windows) == name);
  }
  CHECK(template_of(exchanged(kChatml, "message['content']", "message.content")) == "chatml");
  CHECK(template_of(exchanged(kChatml, "'", "\"")) == "chatml");
  CHECK(template_of(exchanged(kChatml, " + ", "+")) == "chatml");
  CHECK(template_of(exchanged(kChatml, "{%", "{%-")) == "chatml");
  CHECK(template_of(exchanged(kChatml, "'<|im_end|>' + '\\n'", "'<|im_end|>\\n'")) == "chatml");
  CHECK(template_of(exchanged(kChatml, "\\n", "\n")) == "chatml");
}

TEST_CASE("a template that writes something else is not recognised", "[chat]") {
  CHECK(template_of("") == "none");
  CHECK(template_of("hello") == "none");
  CHECK(template_of(std::string(kMaxJinjaBytes + 1, ' ') + kChatml) == "none");
  const std::pair<const char*, std::string> changes[] = {
      {"'<|im_end|>' + '\\n'", "'<|im_end|>'"},           // no line end
      {"message['content']", "message['content']|trim"},  // another content
      {"{% for message in messages %}", "{{ bos_token }}{% for message in messages %}"},
      {"assistant\\n", "assistant"},
      {"{% endfor %}", "{{ '<|end|>' }}{% endfor %}"},  // a token that we do not know
      {"{% endfor %}", "{{ '[INST]' }}{% endfor %}"},
      {"{% for message in messages %}",
       "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are Bob<|im_end|>\\n' }}{% endif %}"
       "{% for message in messages %}"}};
  for (const auto& [from, to] : changes) {
    INFO(from << " -> " << to);
    CHECK(template_of(exchanged(kChatml, from, to)) == "none");
  }
  const auto text_of = [](const std::string& name) {
    for (const auto& [known, text] : published_chat_templates()) {
      if (known == name) return text;
    }
    return std::string();
  };
  CHECK(template_of(exchanged(text_of("qwen2"), "You are a helpful assistant.", "You are SmolLM.")) == "none");
  CHECK(template_of(exchanged(text_of("qwen2"), "assistant.<", "assistant<")) == "none");  // Qwen 1.5
  CHECK(template_of(exchanged(text_of("qwen3"), "is false", "is true")) == "none");
  CHECK(template_of(exchanged(text_of("qwen3"), "'<|im_start|>assistant\\n' }}",
                              "'<|im_start|>assistant\\n<think>\\n' }}")) == "none");  // always thinks
  CHECK(template_of(exchanged(text_of("llama3"), "<|end_header_id|>\n\n", "<|end_header_id|>\n")) == "none");
  CHECK(template_of(exchanged(text_of("llama3"), "bos_token + ", "")) == "none");
  CHECK(template_of(exchanged(text_of("llama2"), "set system_message = false", "set system_message = 'Be nice'")) ==
        "none");
  CHECK(template_of(exchanged(text_of("bitnet"), "Assistant: ", "Assistant:")) == "none");
  CHECK(template_of("System: A chat.<|eot_id|>" + text_of("bitnet")) == "none");
  CHECK(template_of(exchanged(text_of("mistral-v3"), "'[INST] '", "'[INST]  '")) == "none");
  CHECK(template_of(exchanged(text_of("falcon3"), "eos_token + '\\n'", "eos_token")) == "none");
  CHECK(template_of(exchanged(text_of("zephyr"), "eos_token }}\n", "eos_token }}")) == "none");  // no line ends
  CHECK(template_of(exchanged(text_of("zephyr"), "<|user|>", "<|prompter|>")) == "none");
  CHECK(template_of(kChatml + text_of("llama3")) == "none");  // of two, neither
}

TEST_CASE("the canonical text keeps what reaches the output and nothing else", "[chat]") {
  CHECK(canonical_jinja("a {{- b  +  'c' + \"d\" -}} \n e\n") == "a{{b+'cd'}}e");
  CHECK(canonical_jinja("{% if a %}\n  {{ b }}\n  {% endif %}\nx") == "{%if a%}  {{b}}\n{%endif%}x");
  CHECK(canonical_jinja("{% if a +%}\nx {%+ endif %}") == "{%if a%}\nx {%endif%}");
  CHECK(canonical_jinja("  {# x 'y #}\nz{{ m.role }}{{ m.roles }}{{ m [ 'role' ] }}") ==
        "z{{m['role']}}{{m.roles}}{{m['role']}}");
  CHECK(canonical_jinja("{{ 'a\\n\\'' }}{{ 'open") == "{{'a\n''}}{{'open'}}");
  for (const char* broken : {"{", "{{", "{%-", "{{ '\\", "{# ", "{{ - }", "{{ 'a' + ", "}}"}) canonical_jinja(broken);
}

TEST_CASE("where a checkpoint keeps its template, and which of several counts", "[chat]") {
  const TemporaryFolder folder;
  SourceModel model = with_template(folder);
  CHECK_FALSE(model.chat);
  CHECK(model.chat_note == "none beside the checkpoint");

  write_file(folder.path("chat_template.json"), json{{"chat_template", kChatml}}.dump());
  CHECK(with_template(folder).chat == ChatTemplate::chatml);

  json config = {{"chat_template", "{{ messages }}"}};
  write_file(folder.path("tokenizer_config.json"), config.dump());
  model = with_template(folder);
  CHECK_FALSE(model.chat);
  CHECK(model.chat_note == "that of tokenizer_config.json is none of those built in");

  config["chat_template"] = json::array({{{"name", "tool_use"}, {"template", "{{ tools }}"}},
                                         {{"name", "default"}, {"template", published_chat_templates()[1].second}}});
  write_file(folder.path("tokenizer_config.json"), config.dump());
  model = with_template(folder);
  CHECK(model.chat == ChatTemplate::llama3);
  CHECK(model.chat_note == "llama3 (recognised in tokenizer_config.json)");
  config["chat_template"].erase(1);
  write_file(folder.path("tokenizer_config.json"), config.dump());
  CHECK_FALSE(with_template(folder).chat);

  write_file(folder.path("chat_template.jinja"), kChatml);
  CHECK(with_template(folder).chat_note == "chatml (recognised in chat_template.jinja)");

  std::filesystem::remove(folder.path("chat_template.jinja"));
  for (const json& bad : {json(3), json::array({"x"}), json::array({{{"name", "default"}}})}) {
    write_file(folder.path("tokenizer_config.json"), json{{"chat_template", bad}}.dump());
    SourceModel other;
    CHECK(import_chat_template(folder.path(), &other).message().find("chat_template") != std::string::npos);
  }
}
