// Likelihoods of endings over token ids, against whole sequences in double; accuracy over a made-up tokenizer.
#include "runtime/eval/choice.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "tests/runtime/eval_fixture.h"

namespace tern {
namespace {

double expected_likelihood(const Model& model, const std::vector<int32_t>& tokens, size_t context) {
  const auto logits = test::reference_logits(model.file(), tokens, false);
  double total = 0;
  for (size_t at = context; at < tokens.size(); ++at) {
    double sum = 0;
    for (double v : logits[at - 1]) sum += std::exp(v);
    total += logits[at - 1][static_cast<size_t>(tokens[at])] - std::log(sum);
  }
  return total;
}

// A context of `context` tokens, of which all endings share `shared`, and endings of these lengths.
EncodedChoices random_choices(const Model& model, size_t context, size_t shared, const std::vector<size_t>& lengths) {
  EncodedChoices choices;
  choices.context = context;
  const auto common = random_text(model, context, 5);
  for (size_t i = 0; i < lengths.size(); ++i) {
    std::vector<int32_t> tokens(common.begin(), common.begin() + static_cast<long>(shared));
    const auto rest = random_text(model, context - shared + lengths[i], 60 + i);
    tokens.insert(tokens.end(), rest.begin(), rest.end());
    choices.sequences.push_back(std::move(tokens));
  }
  return choices;
}

// Each byte is a token, after BOS (id 256): endings have as many tokens as bytes and the space before them.
class ByteTokenizer final : public Tokenizer {
 public:
  ByteTokenizer() : Tokenizer(data_of()) {}
  std::string piece(int32_t, int32_t) const override { return {}; }

 private:
  static TokenizerData data_of() {
    TokenizerData data;
    data.bos = 256;
    return data;
  }
  Status encode_plain(std::string_view text, bool, std::vector<int32_t>& ids) const override {
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return {};
  }
};

std::shared_ptr<const Model> byte_model() {
  test::TinyShape shape = test::tiny_shapes()[0];
  shape.config.vocab_size = 257;
  return test::TinyFile(shape).load();
}

std::vector<ChoiceItem> questions() {
  std::vector<ChoiceItem> items;
  const char* words[] = {"fetch", "a", "spoon", "of", "salt", "from", "the", "kitchen"};
  for (size_t i = 0; i < 12; ++i) {
    ChoiceItem item;
    item.line = i + 1;
    item.context = std::string("Question: ") + words[i % 8] + "\nAnswer:";
    for (size_t k = 0; k < 2 + i % 3; ++k) item.endings.push_back(std::string(words[(i + 3 * k) % 8]) + words[k]);
    item.answer = i % 2;
    items.push_back(item);
  }
  return items;
}

}  // namespace

TEST_CASE("choice: likelihoods of endings, against whole sequences in double") {
  const auto model = tiny_model();
  struct Case {
    size_t context, shared;
    std::vector<size_t> lengths;
  };
  // The last: an ending longer than the logits that are held at once, in a context that is shared in part.
  for (const auto& [context, shared, lengths] : {Case{10, 10, {3, 5}},
                                                 {1, 1, {4, 1, 7}},
                                                 {1, 0, {2, 2}},
                                                 {9, 4, {1, 6, 2, 3}},
                                                 {20, 19, {1, 1}},
                                                 {60, 33, {140, 2, 131}}}) {
    INFO("context " << context << " shared " << shared);
    const EncodedChoices choices = random_choices(*model, context, shared, lengths);
    const auto s = float_session(model);
    const auto found = ending_likelihoods(*s, choices);
    INFO(found.status().message());
    REQUIRE(found.ok());
    REQUIRE(found->size() == lengths.size());
    for (size_t i = 0; i < lengths.size(); ++i) {
      CHECK((*found)[i] == Approx(expected_likelihood(*model, choices.sequences[i], context)).epsilon(1e-5));
    }
    CHECK(s->cache_bytes() == 0);
    CHECK(*ending_likelihoods(*float_session(model, 1, 5), choices) == *found);
  }
}

TEST_CASE("choice: endings that begin alike share no more than the context") {
  const auto model = tiny_model();
  EncodedChoices choices = random_choices(*model, 6, 6, {4, 4});
  choices.sequences[1] = choices.sequences[0];
  choices.sequences[1].push_back(7);
  const auto found = *ending_likelihoods(*float_session(model), choices);
  for (size_t i = 0; i < 2; ++i) {
    CHECK(found[i] == Approx(expected_likelihood(*model, choices.sequences[i], 6)).epsilon(1e-5));
  }
  CHECK(found[1] < found[0]);
}

TEST_CASE("choice: accuracy by sum and by byte, and their errors") {
  const auto model = byte_model();
  const auto items = questions();
  std::vector<double> right, right_norm;
  for (const ChoiceItem& item : items) {
    std::vector<double> sums, norms;
    for (const std::string& ending : item.endings) {
      std::vector<int32_t> tokens = {256};
      for (const char c : item.context + " " + ending) tokens.push_back(c);
      sums.push_back(expected_likelihood(*model, tokens, item.context.size() + 1));
      norms.push_back(sums.back() / static_cast<double>(ending.size()));
    }
    const auto best = [](const std::vector<double>& v) {
      return static_cast<size_t>(std::max_element(v.begin(), v.end()) - v.begin());
    };
    right.push_back(best(sums) == item.answer);
    right_norm.push_back(best(norms) == item.answer);
  }
  CHECK(right != right_norm);  // or the test could not tell them apart
  const auto r = choose(*float_session(model), ByteTokenizer(), items);
  INFO(r.status().message());
  REQUIRE(r.ok());
  CHECK(r->questions == items.size());
  CHECK(r->skipped == 0);
  const auto share = [](const std::vector<double>& v) { return std::count(v.begin(), v.end(), 1.0) / 12.0; };
  CHECK(r->acc == Approx(share(right)));
  CHECK(r->acc_norm == Approx(share(right_norm)));
  CHECK(r->acc_error == Approx(std::sqrt(r->acc * (1 - r->acc) / 11)));
  CHECK(r->acc_norm_error == Approx(std::sqrt(r->acc_norm * (1 - r->acc_norm) / 11)));
}

TEST_CASE("choice: a question that does not fit is skipped and counted") {
  const auto model = byte_model();
  auto items = questions();
  const auto positions = [](const ChoiceItem& item) { return positions_of(*encode_choices(ByteTokenizer(), item)); };
  items[4].endings[1] += std::string(100, 'x');
  const auto most = static_cast<uint32_t>(positions(items[4]));
  const auto all = choose(*float_session(model, 2, 512, most), ByteTokenizer(), items);
  REQUIRE(all.ok());
  CHECK(all->skipped == 0);
  const auto r = choose(*float_session(model, 2, 512, most - 1), ByteTokenizer(), items);
  REQUIRE(r.ok());
  CHECK(r->skipped == 1);
  CHECK(r->first_skipped == 5);
  CHECK(r->questions == 11);
  const auto none = choose(*float_session(model, 2, 512, 8), ByteTokenizer(), items);
  CHECK(none.status().code() == Code::invalid_argument);
  CHECK(none.status().message() == "none of 12 questions fits into 8 positions");
}

TEST_CASE("choice: stops when asked") {
  const auto s = float_session(byte_model());
  const auto items = questions();
  const auto stopped = choose(*s, ByteTokenizer(), items, [](const Progress& p) {
    CHECK(p.total == 12);
    return p.done < 3;
  });
  CHECK(stopped.status().code() == Code::aborted);
  CHECK(s->cache_bytes() == 0);
}

TEST_CASE("choice: the ending's tokens are those after the context's") {
  ChoiceItem item;
  item.context = "ab \n ";
  item.endings = {"c", "de"};
  const auto choices = encode_choices(ByteTokenizer(), item);
  REQUIRE(choices.ok());
  CHECK(choices->context == 3);  // BOS a b: the space at the end goes to the endings
  CHECK(choices->sequences[1] == std::vector<int32_t>{256, 'a', 'b', ' ', '\n', ' ', ' ', 'd', 'e'});
  CHECK(positions_of(*choices) == 8);
}

}  // namespace tern
