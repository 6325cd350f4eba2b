// Steps that fail, progress, the cache's blocks, refusals and the profile, on tiny random models.
#include "runtime/model/profile.h"
#include "tests/runtime/session_fixture.h"

namespace tern::test {

TEST_CASE("session: a failed step leaves every sequence as it was", "[short]") {
  const TinyFile file(tiny_shapes()[1]);
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
  const TinyFile file(tiny_shapes()[0]);
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
  const TinyFile file(tiny_shapes()[0]);
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
  const TinyFile file(tiny_shapes()[0]);
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
  const TinyFile file(tiny_shapes()[1]);
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

}  // namespace tern::test
