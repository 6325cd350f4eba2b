// Promise 1 on tiny random models: logits do not depend on batch split, threads, interleaving, forks or ISA,
// and they agree with double arithmetic.
#include "runtime/session/session.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "base/random.h"
#include "runtime/model/profile.h"
#include "tests/runtime/tiny_model.h"

namespace tern {
namespace {

using test::TinyFile;
using test::TinyShape;

constexpr uint32_t kPrompt = 75;  // more than two cache blocks, not a multiple of one

std::unique_ptr<Session> session(const std::shared_ptr<const Model>& model, const SessionOptions& options = {}) {
  auto made = Session::create(model, options);
  INFO(made.status().message());
  REQUIRE(made.ok());
  return std::move(made).value();
}

SessionOptions options(unsigned threads, uint32_t batch = 512, FloatType keys = FloatType::f16,
                       FloatType values = FloatType::f16) {
  SessionOptions o;
  o.threads = threads, o.batch = batch, o.key_type = keys, o.value_type = values;
  o.work_per_thread = 0;  // all threads, however small the model
  return o;
}

std::vector<int32_t> prompt(const Model& model, uint64_t seed, uint32_t length = kPrompt) {
  Random random(seed);
  std::vector<int32_t> tokens(length);
  for (int32_t& t : tokens) t = static_cast<int32_t>(random.below(model.config().vocab_size));
  return tokens;
}

void must(const Status& status) {
  INFO(status.message());
  REQUIRE(status.ok());
}

// Feeds tokens to a sequence in steps of `piece`, all logits asked for; returns a hash per position.
std::vector<uint64_t> feed(Session& s, SequenceId id, const std::vector<int32_t>& tokens, size_t piece) {
  std::vector<uint64_t> hashes;
  for (size_t at = 0; at < tokens.size(); at += piece) {
    std::vector<StepToken> step;
    for (size_t i = at; i < std::min(tokens.size(), at + piece); ++i) step.push_back({id, tokens[i], true});
    must(s.step(step));
    REQUIRE(s.logits_count() == step.size());
    for (size_t i = 0; i < step.size(); ++i) hashes.push_back(hash_logits(s.logits(i)));
  }
  return hashes;
}

std::vector<uint64_t> feed_fresh(Session& s, const std::vector<int32_t>& tokens, size_t piece) {
  const SequenceId id = s.add_sequence().value();
  const std::vector<uint64_t> hashes = feed(s, id, tokens, piece);
  CHECK(s.length(id) == tokens.size());
  must(s.remove(id));
  return hashes;
}

std::vector<uint64_t> whole(const std::shared_ptr<const Model>& model, const SessionOptions& o) {
  return feed_fresh(*session(model, o), prompt(*model, 1), kPrompt);
}

template <class Body>
void for_each_shape(Body body, size_t every = 1) {
  const std::vector<TinyShape> shapes = test::tiny_shapes();
  for (size_t i = 0; i < shapes.size(); i += every) {
    INFO(shapes[i].name);
    const TinyFile file(shapes[i]);
    body(shapes[i], file);
  }
}

constexpr size_t kSome = TERN_SLOW_RUN ? 4 : 1;  // of the shapes, where each takes long

}  // namespace

TEST_CASE("session: the same bits for any batch split and thread count") {
  for_each_shape(
      [](const TinyShape&, const TinyFile& file) {
        const auto model = file.load();
        for (const auto& [keys, values] :
             {std::pair{FloatType::f16, FloatType::f16}, {FloatType::f32, FloatType::f16}}) {
          const std::vector<uint64_t> expected = whole(model, options(1, 512, keys, values));
          const std::vector<int32_t> tokens = prompt(*model, 1);
          // Threads and pieces; 3 threads seldom: they outnumber the cores of small machines.
          for (const auto& [threads, piece] :
               {std::pair<unsigned, size_t>{1, 1}, {1, 7}, {1, 64}, {2, 1}, {2, 64}, {3, 64}}) {
            INFO("threads " << threads << " piece " << piece);
            CHECK(feed_fresh(*session(model, options(threads, 512, keys, values)), tokens, piece) == expected);
          }
          for (unsigned threads : {2u, 3u}) CHECK(whole(model, options(threads, 512, keys, values)) == expected);
          CHECK(whole(model, options(2, 7, keys, values)) == expected);  // cut by the batch size
        }
      },
      kSome);
}

namespace {

void check_every_isa(const TinyFile& file, ActivationRounding activations, uint32_t length) {
  const auto hashes = [&](const LoadOptions& load, unsigned threads) {
    const auto model = file.load(load);
    return feed_fresh(*session(model, options(threads)), prompt(*model, 1, length), length);
  };
  LoadOptions scalar;
  scalar.isa = "scalar", scalar.activations = activations;
  const std::vector<uint64_t> expected = hashes(scalar, 1);
  for (const char* isa : {"native", "avx2", "avxvnni", "avx512", "avx512vnni", "neon", "dotprod", "i8mm"}) {
    if (!cap_features(detect_cpu().features, isa).ok()) continue;
    for (const std::optional<KernelFamily> family :
         {std::optional<KernelFamily>(), std::optional(KernelFamily::reference),
          std::optional(KernelFamily::multiplication_free)}) {
      INFO(isa);
      LoadOptions load;
      load.isa = isa, load.family = family, load.activations = activations;
      CHECK(hashes(load, 2) == expected);
    }
  }
}

}  // namespace

TEST_CASE("session: the same bits from every ISA and kernel family") {
  for_each_shape(
      [](const TinyShape&, const TinyFile& file) {
        check_every_isa(file, ActivationRounding::from_file, kPrompt);
        check_every_isa(file, ActivationRounding::f32, kPrompt);
      },
      kSome);
}

// For an emulated CPU: run with "[short]".
TEST_CASE("session: the same bits from every ISA and kernel family, a few tokens", "[short]") {
  for_each_shape(
      [](const TinyShape&, const TinyFile& file) { check_every_isa(file, ActivationRounding::from_file, 9); });
}

TEST_CASE("session: sequences interleaved in one step have the bits of each alone") {
  for_each_shape([](const TinyShape&, const TinyFile& file) {
    const auto model = file.load();
    const std::vector<int32_t> a = prompt(*model, 1), b = prompt(*model, 2, 50);
    const std::vector<uint64_t> alone_a = feed_fresh(*session(model), a, kPrompt);
    const std::vector<uint64_t> alone_b = feed_fresh(*session(model), b, kPrompt);
    for (uint32_t batch : {512u, 9u}) {
      const auto s = session(model, options(2, batch));
      const SequenceId ids[] = {s->add_sequence().value(), s->add_sequence().value()};
      std::vector<StepToken> step;
      std::vector<uint64_t> expected;
      for (size_t i = 0; i < a.size(); ++i) {
        step.push_back({ids[0], a[i], i % 3 != 0});
        if (i % 3 != 0) expected.push_back(alone_a[i]);
        if (i < b.size()) step.push_back({ids[1], b[i], true}), expected.push_back(alone_b[i]);
      }
      must(s->step(step));
      REQUIRE(s->logits_count() == expected.size());
      for (size_t i = 0; i < expected.size(); ++i) CHECK(hash_logits(s->logits(i)) == expected[i]);
    }
  });
}

TEST_CASE("session: forks and truncated sequences continue as fresh ones do") {
  for_each_shape([](const TinyShape&, const TinyFile& file) {
    const auto model = file.load();
    const std::vector<int32_t> a = prompt(*model, 1), other = prompt(*model, 3, 40);
    for (const uint32_t cut : {0u, 5u, 31u, 32u, 33u, 64u, kPrompt}) {
      INFO("cut " << cut);
      std::vector<int32_t> joined(a.begin(), a.begin() + cut);
      joined.insert(joined.end(), other.begin(), other.end());
      std::vector<uint64_t> fresh = feed_fresh(*session(model), joined, 1000);
      fresh.erase(fresh.begin(), fresh.begin() + cut);

      const auto s = session(model);
      const SequenceId source = s->add_sequence().value();
      const std::vector<uint64_t> original = feed(*s, source, a, kPrompt);
      const SequenceId copy = s->fork(source).value();
      must(s->truncate(copy, cut));
      CHECK(s->length(copy) == cut);
      CHECK(feed(*s, copy, other, 11) == fresh);
      const SequenceId second = s->fork(source).value();  // the source is what it was
      must(s->truncate(source, cut));
      CHECK(feed(*s, source, other, 40) == fresh);
      must(s->truncate(second, kPrompt - 1));
      CHECK(feed(*s, second, {a.back()}, 1).back() == original.back());
    }
  });
}

TEST_CASE("session: logits agree with double arithmetic") {
  for_each_shape([](const TinyShape&, const TinyFile& file) {
    LoadOptions load;
    load.activations = ActivationRounding::f32;
    const auto model = file.load(load);
    const std::vector<int32_t> tokens = prompt(*model, 1);
    const auto expected = test::reference_logits(model->file(), tokens, false);
    const auto s = session(model, options(2, 512, FloatType::f32, FloatType::f32));
    const SequenceId id = s->add_sequence().value();
    feed(*s, id, tokens, tokens.size());
    double worst = 0;
    for (size_t t = 0; t < tokens.size(); ++t) {
      double largest = 0;
      for (double v : expected[t]) largest = std::max(largest, std::fabs(v));
      for (size_t i = 0; i < expected[t].size(); ++i) {
        worst = std::max(worst, std::fabs(s->logits(t)[i] - expected[t][i]) / largest);
      }
    }
    CHECK(worst < 1e-4);
    CHECK(worst > 0);  // a comparison of something with itself would be exact
  });
}

TEST_CASE("session: int8 activations agree with their formula in double", "[short][formula]") {
  for_each_shape([](const TinyShape& shape, const TinyFile& file) {
    if (shape.rounding.bits == 0) return;
    const auto model = file.load();
    // A value on a rounding boundary may take the other code and change every later position through the cache.
    // A short prompt seldom meets one; without, the logits differ by f32 arithmetic only.
    constexpr int kPrompts = 5;
    int agree = 0;
    for (int seed = 1; seed <= kPrompts; ++seed) {
      const std::vector<int32_t> tokens = prompt(*model, seed, 6);
      const auto expected = test::reference_logits(model->file(), tokens, true);
      const auto plain = test::reference_logits(model->file(), tokens, false);
      const auto s = session(model, options(1, 512, FloatType::f32, FloatType::f32));
      feed(*s, s->add_sequence().value(), tokens, tokens.size());
      double worst = 0;  // of a position: difference as a share of what the rounding moves
      for (size_t t = 0; t < tokens.size(); ++t) {
        double difference = 0, rounding = 0;
        for (size_t i = 0; i < expected[t].size(); ++i) {
          difference += std::fabs(s->logits(t)[i] - expected[t][i]);
          rounding += std::fabs(plain[t][i] - expected[t][i]);
        }
        worst = std::max(worst, difference / rounding);
      }
      CHECK(worst < 1);
      agree += worst < 1e-3;
    }
    CHECK(agree >= kPrompts - 1);
  });
}

TEST_CASE("session: a failed step leaves every sequence as it was", "[short]") {
  const TinyFile file(test::tiny_shapes()[1]);
  const auto model = file.load();
  const std::vector<int32_t> a = prompt(*model, 1);
  const std::vector<uint64_t> expected = feed_fresh(*session(model), a, kPrompt);
  SessionOptions o = options(2, 8);
  o.context = kPrompt;
  const auto s = session(model, o);
  const SequenceId id = s->add_sequence().value(), other = s->add_sequence().value();
  feed(*s, id, {a.begin(), a.begin() + 40}, 40);
  const uint64_t bytes = s->cache_bytes();
  const int32_t vocab = static_cast<int32_t>(model->config().vocab_size);

  const auto fails = [&](const std::vector<StepToken>& step, Code code, const ProgressCallback& progress = {}) {
    const Status status = s->step(step, progress);
    INFO(status.message());
    CHECK(status.code() == code);
    CHECK_FALSE(status.message().empty());
    CHECK(s->length(id) == 40);
    CHECK(s->length(other) == 0);
    CHECK(s->logits_count() == 0);
    CHECK(s->logits(0).empty());
    CHECK(s->cache_bytes() == bytes);
  };
  fails({{other, 1}, {id, vocab}}, Code::invalid_argument);
  fails({{other, 1}, {id, -1}}, Code::invalid_argument);
  fails({{other, 1}, {7, 1}}, Code::invalid_argument);
  std::vector<StepToken> many(kPrompt - 40 + 1, {id, 1, false});
  many.push_back({other, 1, true});
  fails(many, Code::invalid_argument);  // context full
  many.erase(many.begin());
  fails(many, Code::aborted, [](const Progress& p) { return p.done < 20; });

  std::vector<uint64_t> rest = feed(*s, id, {a.begin() + 40, a.end()}, kPrompt);
  CHECK(std::equal(rest.begin(), rest.end(), expected.begin() + 40));
}

TEST_CASE("session: progress counts tokens between pieces", "[short]") {
  const TinyFile file(test::tiny_shapes()[0]);
  const auto s = session(file.load(), options(1, 8));
  const std::vector<StepToken> step(20, {s->add_sequence().value(), 1, false});
  std::vector<uint64_t> done;
  must(s->step(step, [&](const Progress& p) {
    CHECK(p.total == 20);
    done.push_back(p.done);
    return true;
  }));
  CHECK(done == std::vector<uint64_t>{8, 16, 20});
  CHECK(s->logits_count() == 0);
}

TEST_CASE("session: the cache grows by blocks, is shared by forks and returned") {
  const TinyFile file(test::tiny_shapes()[0]);
  const auto s = session(file.load());
  CHECK(s->cache_bytes() == 0);
  const SequenceId a = s->add_sequence().value();
  feed(*s, a, prompt(s->model(), 1, 1), 1);
  const uint64_t block = s->cache_bytes();
  CHECK(block >= 2 * 2 * 2 * 32 * 6 * 2);  // layers, KV heads, key and value, positions, head_dim, bytes
  feed(*s, a, prompt(s->model(), 1, 69), 69);
  CHECK(s->cache_bytes() == 3 * block);
  const SequenceId b = s->fork(a).value();
  CHECK(s->cache_bytes() == 4 * block);  // two shared, the last one copied
  must(s->truncate(b, 33));
  CHECK(s->cache_bytes() == 3 * block);
  feed(*s, b, prompt(s->model(), 2, 1), 1);
  CHECK(s->cache_bytes() == 4 * block);  // copied on write
  must(s->remove(a));
  CHECK(s->cache_bytes() == 2 * block);
  must(s->truncate(b, 0));
  CHECK(s->cache_bytes() == 0);
}

TEST_CASE("session: requests that make no sense are refused") {
  const TinyFile file(test::tiny_shapes()[0]);
  const auto model = file.load();
  SessionOptions o;
  o.context = 0xffffffffu;
  CHECK(Session::create(model, o).status().code() == Code::invalid_argument);
  o = {};
  o.batch = 0;
  CHECK(Session::create(model, o).status().code() == Code::invalid_argument);
  o = {};
  o.key_type = FloatType::bf16;
  CHECK(Session::create(model, o).status().code() == Code::invalid_argument);
  o = {};
  o.threads = 1u << 20;
  CHECK(Session::create(model, o).status().code() == Code::invalid_argument);
  const auto s = session(model);
  CHECK(s->context() == 256);
  CHECK(s->fork(3).status().code() == Code::invalid_argument);
  CHECK(s->truncate(3, 0).code() == Code::invalid_argument);
  CHECK(s->remove(3).code() == Code::invalid_argument);
  const SequenceId id = s->add_sequence().value();
  CHECK(s->truncate(id, 1).code() == Code::invalid_argument);
  CHECK(s->step({}).ok());
  o = {};
  o.context = 1u << 20, o.batch = 0xffffffffu;  // large limits cost nothing before they are used
  CHECK(feed_fresh(*session(model, o), prompt(*model, 1), kPrompt) == whole(model, options(1)));
}

TEST_CASE("session: a profile counts every stage and moves no bit") {
  const TinyFile file(test::tiny_shapes()[1]);
  const auto model = file.load();
  Profile profile;
  SessionOptions o = options(2, 16);
  o.work_per_thread = 0;  // both threads, small as the model is
  o.profile = &profile;
  CHECK(feed_fresh(*session(model, o), prompt(*model, 1), kPrompt) == whole(model, options(1)));
  CHECK(profile.tokens == kPrompt);
  CHECK(profile.passes == (kPrompt + 15) / 16);
  REQUIRE(profile.members.size() == 2);
  for (size_t i = 0; i < kStages; ++i) {
    INFO(stage_name(static_cast<Stage>(i)));
    double sum = 0;  // rows are dealt: in a layer as small as these one member may get all
    for (const auto& member : profile.members) sum += member.seconds[i];
    CHECK(sum > 0);
  }
}

TEST_CASE("profile: a stage's share of the members' time, of the time of the passes") {
  Profile profile;
  profile.members.resize(3);  // the third took no part; the second in one pass of two
  const auto at = [&](size_t member, Stage stage) -> double& {
    return profile.members[member].seconds[static_cast<size_t>(stage)];
  };
  at(0, Stage::head) = 3, at(0, Stage::wait) = 1;
  at(1, Stage::head) = 1, at(1, Stage::wait) = 1;
  CHECK(profile.seconds(Stage::head) == Approx(4. / 6 * 4));
  CHECK(profile.seconds(Stage::wait) == Approx(2. / 6 * 4));
  CHECK(profile.seconds(Stage::qkv) == 0);
  CHECK(Profile().seconds(Stage::head) == 0);
}

}  // namespace tern
