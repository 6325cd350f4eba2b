// Templates on the publishers' own vocabularies: the ids are those of the published string, in which the names of
// special tokens are parsed and all else is encoded part by part.
#include <catch2/catch.hpp>
#include <span>

#include "formats/foreign/gpt2_bpe.h"
#include "formats/foreign/sentencepiece.h"
#include "formats/foreign/tiktoken.h"
#include "runtime/text/chat/chat_format.h"
#include "tests/shared_data.h"
#include "tests/text/expectations.h"

using namespace tern;
using namespace tern::test;

namespace {

const Conversation kConversation{"Be brief.",
                                 {{ChatRole::user, "What's 2+2 in \xe6\x97\xa5\xe6\x9c\xac?", {}},
                                  {ChatRole::assistant, "It is 4.", {}},
                                  {ChatRole::user, "And 3 <|eot_id|>?", {}}}};

std::vector<int32_t> rendered(ChatTemplate chat, const Tokenizer& tokenizer, const Conversation& c = kConversation) {
  const auto format = ChatFormat::create(chat, tokenizer);
  INFO(format.status().message());
  REQUIRE(format.ok());
  return format->render(c).value();
}

std::string file_of(const char* name) { return contents(shared_path(std::string("data/tokenizers/") + name)); }
bool have(const char* name) { return have_shared(std::string("data/tokenizers/") + name); }

std::unique_ptr<Tokenizer> make_tokenizer(const TokenizerData& data) { return std::move(Tokenizer::create(data)).value(); }

}  // namespace

TEST_CASE("Llama 3's and BitNet's template on Llama 3's vocabulary", "[chat]") {
  if (!have("llama3-tokenizer.model")) return;
  const std::string bytes = file_of("llama3-tokenizer.model");
  auto data = parse_tiktoken(std::as_bytes(std::span(bytes)), "llama3");
  REQUIRE((data.ok() && add_llama3_pattern(&*data, "llama3").ok() && add_llama3_special(&*data, "llama3").ok()));
  const auto tokenizer = make_tokenizer(*data);
  std::vector<int32_t> ids = rendered(ChatTemplate::llama3, *tokenizer);
  CHECK(ids.front() == 128000);
  CHECK(std::count(ids.begin(), ids.end(), 128009) == 4);  // and not the one that the user wrote
  CHECK(ids[1] == 128006);
  Conversation harmless = kConversation;
  harmless.messages[2].text = "And 3?";
  CHECK(rendered(ChatTemplate::llama3, *tokenizer, harmless) ==
        tokenizer
            ->encode_special("<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
                             "<|start_header_id|>user<|end_header_id|>\n\nWhat's 2+2 in \xe6\x97\xa5\xe6\x9c\xac?"
                             "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nIt is 4.<|eot_id|>"
                             "<|start_header_id|>user<|end_header_id|>\n\nAnd 3?<|eot_id|>"
                             "<|start_header_id|>assistant<|end_header_id|>\n\n",
                             false)
            .value());
  CHECK(rendered(ChatTemplate::bitnet, *tokenizer, harmless) ==
        tokenizer
            ->encode_special("<|begin_of_text|>System: Be brief.<|eot_id|>User: What's 2+2 in "
                             "\xe6\x97\xa5\xe6\x9c\xac?<|eot_id|>Assistant: It is 4.<|eot_id|>User: And 3?<|eot_id|>"
                             "Assistant: ",
                             false)
            .value());
}

TEST_CASE("Qwen's templates on Qwen2's vocabulary", "[chat]") {
  if (!have("qwen2-vocab.json") || !have("qwen2-merges.txt")) return;
  const std::string vocab = file_of("qwen2-vocab.json"), merges = file_of("qwen2-merges.txt");
  auto data = parse_gpt2_bpe({vocab, "vocab.json"}, {merges, "merges.txt"});
  REQUIRE(data.ok());
  data->patterns = {{kQwen2Pattern, false}};
  data->nfc = true;
  for (const char* name : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) {
    data->pieces.push_back({name, 0, PieceType::control});
  }
  const auto tokenizer = make_tokenizer(*data);
  // As Hugging Face's tokenizer encodes it: <|im_start|> system \n You are ... assistant . <|im_end|> \n ...
  const std::vector<int32_t> expected = {151644, 8948,   198, 2610, 525,  264,    10950, 17847,  13,    151645,
                                         198,    151644, 872, 198,  9707, 151645, 198,   151644, 77091, 198};
  CHECK(rendered(ChatTemplate::qwen2, *tokenizer, {{}, {{ChatRole::user, "Hello", {}}}}) == expected);
}

TEST_CASE("Llama 2's and Mistral's templates on a SentencePiece vocabulary", "[chat]") {
  if (!have("llama2-tokenizer.model")) return;
  const std::string bytes = file_of("llama2-tokenizer.model");
  auto data = parse_sentencepiece(std::as_bytes(std::span(bytes)), "llama2");
  REQUIRE(data.ok());
  const auto plain = make_tokenizer(*data);
  const std::string first =
      "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nWhat's 2+2 in \xe6\x97\xa5\xe6\x9c\xac? [/INST] It is 4. ";
  // Meta's code encodes each exchange alone, with BOS and EOS around it.
  std::vector<int32_t> expected = plain->encode(first, true).value();
  expected.push_back(2);
  const std::vector<int32_t> last = plain->encode("[INST] And 3 <|eot_id|>? [/INST]", true).value();
  expected.insert(expected.end(), last.begin(), last.end());
  CHECK(rendered(ChatTemplate::llama2, *plain) == expected);

  // mistral-common encodes what is said alone, between the tokens.
  const int32_t inst = static_cast<int32_t>(data->pieces.size());
  data->pieces.push_back({"[INST]", 0, PieceType::control});
  data->pieces.push_back({"[/INST]", 0, PieceType::control});
  const auto tokenizer = make_tokenizer(*data);
  expected = {1, inst};
  const auto say = [&](const std::string& text, std::initializer_list<int32_t> then) {
    const std::vector<int32_t> ids = tokenizer->encode(text, false).value();
    expected.insert(expected.end(), ids.begin(), ids.end());
    expected.insert(expected.end(), then);
  };
  say(kConversation.messages[0].text, {inst + 1});
  say("It is 4.", {2, inst});
  say("Be brief.\n\nAnd 3 <|eot_id|>?", {inst + 1});
  CHECK(rendered(ChatTemplate::mistral_v3, *tokenizer) == expected);

  expected = {1};
  const auto say_v1 = [&](const std::string& text) {
    const std::vector<int32_t> ids = plain->encode(text, false).value();
    expected.insert(expected.end(), ids.begin(), ids.end());
  };
  say_v1("[INST] Be brief.\n\n" + kConversation.messages[0].text + " [/INST] It is 4.");
  expected.push_back(2);
  say_v1("[INST] And 3 <|eot_id|>? [/INST]");
  CHECK(rendered(ChatTemplate::mistral_v1, *plain) == expected);
}
