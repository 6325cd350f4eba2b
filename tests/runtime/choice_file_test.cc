// Lines of questions: the prompts they become, and what is wrong with them, to the letter. The questions are made up.
#include "runtime/eval/choice_file.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/shared_data.h"

namespace tern {
namespace {

using Texts = std::vector<std::string>;

ChoiceFile good(std::string_view text, ChoiceFormat format = ChoiceFormat::automatic, const char* labels = nullptr) {
  const NamedText file{"q", text}, labels_file{"l", labels ? labels : ""};
  const auto result = parse_choices(file, format, labels ? &labels_file : nullptr);
  INFO(result.status().message());
  REQUIRE(result.ok());
  return *result;
}

std::string bad(std::string_view text, ChoiceFormat format = ChoiceFormat::automatic, const char* labels = nullptr) {
  const NamedText file{"q", text}, labels_file{"l", labels ? labels : ""};
  const auto result = parse_choices(file, format, labels ? &labels_file : nullptr);
  REQUIRE_FALSE(result.ok());
  CHECK(result.status().code() == Code::corrupt);
  return result.status().message();
}

}  // namespace

TEST_CASE("choice file: PIQA") {
  const ChoiceFile file = good(
      "{\"goal\": \"open a jar\", \"sol1\": \"turn the lid \", \"sol2\": \"eat it\", \"label\": 1}\n"
      "  \r\n"
      "{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\", \"label\": \"0\", \"id\": 3}\r\n");
  CHECK(file.format == ChoiceFormat::piqa);
  REQUIRE(file.items.size() == 2);
  CHECK(file.items[0].context == "Question: open a jar\nAnswer:");
  CHECK(file.items[0].endings == Texts{"turn the lid ", "eat it"});
  CHECK(file.items[0].answer == 1);
  CHECK(file.items[0].line == 1);
  CHECK(file.items[1].answer == 0);
  CHECK(file.items[1].line == 3);  // blank lines are no questions, but lines
}

TEST_CASE("choice file: PIQA with a file of labels") {
  const char* text =
      "{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\"}\n{\"goal\": \"h\", \"sol1\": \"c\", \"sol2\": \"d\"}";
  const ChoiceFile file = good(text, ChoiceFormat::piqa, " 1 \r\n0\n\n");
  CHECK(file.items[0].answer == 1);
  CHECK(file.items[1].answer == 0);
  CHECK(bad(text) == "q:1: label: expected 0 to 1, found no such field");
  CHECK(bad(text, ChoiceFormat::piqa, "1\n") == "l: expected 2 labels, one for each question of q, found 1");
  CHECK(bad(text, ChoiceFormat::piqa, "1\n0\n1\n") == "l: expected 2 labels, one for each question of q, found 3");
  CHECK(bad(text, ChoiceFormat::piqa, "1\n2\n") == "q:2: label in l: expected 0 to 1, found 2");
  CHECK(bad(text, ChoiceFormat::piqa, "1\n-1\n") == "l:2: label: expected a number from 0, found '-1'");
  CHECK(bad("{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\", \"label\": 1}", ChoiceFormat::piqa, "1") ==
        "q:1: label: expected none, because l gives the labels, found 1");
}

TEST_CASE("choice file: ARC in both forms") {
  const ChoiceFile nested = good(
      "{\"id\": \"x\", \"question\": {\"stem\": \"What falls?\", \"choices\": [{\"text\": \"rain\", \"label\": \"A\"}, "
      "{\"text\": \"smoke\", \"label\": \"B\"}, {\"text\": \"light\", \"label\": \"C\"}]}, \"answerKey\": \"B\"}");
  const ChoiceFile flat = good(
      "{\"question\": \"What falls?\", \"choices\": {\"text\": [\"rain\", \"smoke\", \"light\"], \"label\": [\"1\", "
      "\"2\", \"3\"]}, \"answerKey\": \"2\"}");
  for (const ChoiceFile& file : {nested, flat}) {
    CHECK(file.format == ChoiceFormat::arc);
    REQUIRE(file.items.size() == 1);
    CHECK(file.items[0].context == "Question: What falls?\nAnswer:");
    CHECK(file.items[0].endings == Texts{"rain", "smoke", "light"});
    CHECK(file.items[0].answer == 1);
  }
}

TEST_CASE("choice file: HellaSwag is cleaned") {
  const ChoiceFile file = good(
      "{\"activity_label\": \"Baking [sic]\", \"ctx_a\": \"A cook opens the oven.\", \"ctx_b\": \"the COOK\", "
      "\"ctx\": \"not used\", \"endings\": [\" takes out [substeps] bread. \", \"sings [title] Ends.\"], \"label\": "
      "0}\n"
      "{\"activity_label\": \"L\", \"ctx\": \"one he\", \"endings\": [\"a\", \"b\", \"c\"], \"label\": \"2\"}");
  CHECK(file.format == ChoiceFormat::hellaswag);
  CHECK(file.items[0].context == "Baking : A cook opens the oven. The cook");
  CHECK(file.items[0].endings == Texts{"takes out bread.", "sings. Ends."});
  CHECK(file.items[1].context == "L: one he");
  CHECK(file.items[1].answer == 2);
  CHECK(good("{\"activity_label\": \"L\", \"ctx_a\": \"one.\", \"ctx_b\": \"\", \"endings\": [\"a\", \"b\"], "
             "\"label\": 0}")
            .items[0]
            .context == "L: one.");
}

TEST_CASE("choice file: HellaSwag's cleaning, rule by rule") {
  CHECK(clean_hellaswag(" \t a b \n") == "a b");
  CHECK(clean_hellaswag("How to run [title] Buy shoes. [step] Run.") == "How to run. Buy shoes. Run.");
  CHECK(clean_hellaswag("[header] first") == " first");  // ends are stripped before brackets go
  CHECK(clean_hellaswag("a [b] [c] d") == "a  d");       // three spaces: the first two become one
  CHECK(clean_hellaswag("a    b") == "a  b");
  CHECK(clean_hellaswag("x[a[b]c]y") == "xc]y");  // the nearest bracket closes
  CHECK(clean_hellaswag("x [a\nb] y") == "x [a\nb] y");
  CHECK(clean_hellaswag("x [a\n[b] y [") == "x [a\n y [");
  CHECK(clean_hellaswag("") == "");
}

TEST_CASE("choice file: lines that are wrong") {
  CHECK(bad("") == "q: expected a question on each line, found none");
  CHECK(bad("\n \n") == "q: expected a question on each line, found none");
  CHECK(bad("\n{\"goal\": 1").find("q:2: not valid JSON") == 0);
  CHECK(bad("[1]") == "q:1: expected a JSON object, found a list of 1");
  CHECK(bad("{\"goal\": \"g\", \"goal\": \"h\"}") == "q:1: the key 'goal' appears twice");
  CHECK(bad("{\"goal\": \"g\"}") ==
        "q:1: format: expected the fields of hellaswag (endings), piqa (sol1) or arc (question, answerKey), found none "
        "of them: give --format");
  CHECK(bad(std::string(70, '[')).find("nested deeper") != std::string::npos);
  CHECK(bad("{\"goal\": \"\xFF\"}").find("not valid JSON") != std::string::npos);
}

TEST_CASE("choice file: fields that are wrong") {
  using F = ChoiceFormat;
  const std::string text = "a text that is not empty, found ";
  CHECK(bad("{\"goal\": 3, \"sol1\": \"a\", \"sol2\": \"b\", \"label\": 1}") == "q:1: goal: expected " + text + "3");
  CHECK(bad("{\"goal\": \"g\", \"sol1\": \"a\", \"label\": 1}") == "q:1: sol2: expected " + text + "no such field");
  CHECK(bad("{\"goal\": \"g\", \"sol1\": \"\", \"sol2\": \"b\", \"label\": 1}") ==
        "q:1: sol1: expected " + text + "''");
  const auto piqa = [](const std::string& label) {
    return bad("{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\", \"label\": " + label + "}");
  };
  for (const char* label : {"2", "-1", "1.0", "'1.0'", "''", "' 1'", "null", "true", "'99999999999999999999'"}) {
    std::string json = label;
    for (char& c : json) c = c == '\'' ? '"' : c;
    CHECK(piqa(json) == std::string("q:1: label: expected 0 to 1, found ") + label);
  }
  CHECK(piqa("[1]") == "q:1: label: expected 0 to 1, found a list of 1");
  CHECK(piqa("{}") == "q:1: label: expected 0 to 1, found an object");
  CHECK(piqa("\"" + std::string(39, 'x') + "\xC3\xA4 and more\"").find("'" + std::string(39, 'x') + "...'") !=
        std::string::npos);

  const auto swag = [](const std::string& rest) {
    return bad("{\"activity_label\": \"L\", " + rest + "}", F::hellaswag);
  };
  CHECK(bad("{\"ctx\": \"c\", \"endings\": [\"a\", \"b\"], \"label\": 0}") ==
        "q:1: activity_label: expected " + text + "no such field");
  CHECK(swag("\"endings\": [\"a\", \"b\"], \"label\": 0") == "q:1: ctx: expected " + text + "no such field");
  CHECK(swag("\"ctx_a\": \"c\", \"endings\": [\"a\", \"b\"]") == "q:1: ctx_b: expected a text, found no such field");
  CHECK(swag("\"ctx_b\": \"c\", \"endings\": [\"a\", \"b\"]") == "q:1: ctx_a: expected " + text + "no such field");
  CHECK(swag("\"ctx\": \"c\", \"label\": 0") ==
        "q:1: endings: expected a list of 2 texts or more, found no such field");
  CHECK(swag("\"ctx\": \"c\", \"endings\": [\"a\"]") ==
        "q:1: endings: expected a list of 2 texts or more, found a list of 1");
  CHECK(swag("\"ctx\": \"c\", \"endings\": [\"a\", 2]") == "q:1: endings[1]: expected " + text + "2");
  CHECK(swag("\"ctx\": \"c\", \"endings\": [\"a\", \"[b]\"]") ==
        "q:1: endings[1]: expected a text outside brackets, found '[b]'");
  CHECK(swag("\"ctx\": \"c\", \"endings\": [\"a\", \"b\"], \"label\": \"\"") ==
        "q:1: label: expected 0 to 1, found ''");

  const auto flat = [](const std::string& choices, const std::string& key) {
    return bad("{\"question\": \"q\", \"choices\": " + choices + ", \"answerKey\": " + key + "}");
  };
  const std::string two = "{\"text\": [\"a\", \"b\"], \"label\": [\"A\", \"B\"]}";
  CHECK(flat(two, "\"C\"") == "q:1: answerKey: expected one of the choices' labels 'A', 'B', found 'C'");
  CHECK(flat(two, "0") == "q:1: answerKey: expected one of the choices' labels 'A', 'B', found 0");
  CHECK(flat("{\"text\": [\"a\", \"b\"], \"label\": [\"A\", \"A\"]}", "\"A\"") ==
        "q:1: label: expected a different label for each choice, found 'A' twice");
  CHECK(flat("{\"text\": [\"a\", \"b\"], \"label\": [\"A\", \"B\", \"C\"]}", "\"A\"") ==
        "q:1: choices.label: expected 2 labels, one for each text, found 3");
  CHECK(flat("[]", "\"A\"") == "q:1: choices: expected an object with text and label, found a list of 0");
  CHECK(flat("{\"label\": []}", "\"A\"") ==
        "q:1: choices.text: expected a list of 2 texts or more, found no such field");
  const auto nested = [](const std::string& question) {
    return bad("{\"question\": " + question + ", \"answerKey\": \"A\"}");
  };
  CHECK(nested("{\"choices\": []}") == "q:1: question.stem: expected " + text + "no such field");
  CHECK(nested("{\"stem\": \"s\"}") == "q:1: question.choices: expected a list of 2 or more, found no such field");
  CHECK(nested("{\"stem\": \"s\", \"choices\": [1, 2]}") ==
        "q:1: question.choices[0]: expected an object with text and label, found 1");
  CHECK(nested("{\"stem\": \"s\", \"choices\": [{\"text\": \"a\"}, 2]}") ==
        "q:1: question.choices[0].label: expected " + text + "no such field");
  CHECK(nested("7") == "q:1: question: expected " + text + "7");
}

TEST_CASE("choice file: the first line decides for all") {
  const std::string piqa = "{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\", \"label\": 1}\n";
  const std::string arc = "{\"question\": \"q\", \"choices\": {}, \"answerKey\": \"A\"}\n";
  CHECK(bad(piqa + arc).find("q:2: goal: expected") == 0);
  CHECK(bad(piqa, ChoiceFormat::arc).find("q:1: question: expected") == 0);
}

TEST_CASE("choice file: PIQA as published") {
  const std::string folder = test::shared_path("data/text/");
  if (!test::have_shared("data/text/piqa-valid.jsonl")) return;
  const auto file =
      read_choices(folder + "piqa-valid.jsonl", ChoiceFormat::automatic, folder + "piqa-valid-labels.lst");
  INFO(file.status().message());
  REQUIRE(file.ok());
  CHECK(file->format == ChoiceFormat::piqa);
  CHECK(file->items.size() == 1838);
  CHECK_FALSE(read_choices(folder + "piqa-valid.jsonl", ChoiceFormat::automatic).ok());
  CHECK(read_choices(folder + "none.jsonl", ChoiceFormat::automatic).status().message().find("none.jsonl") !=
        std::string::npos);
}

}  // namespace tern
