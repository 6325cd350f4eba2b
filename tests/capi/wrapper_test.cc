// The C++ wrapper: what it hands out, and its errors.
#include "tern/tern.hpp"

#include "tests/capi/fixture.h"

namespace tern::test {

TEST_CASE("the wrapper runs a model") {
  const ScratchDirectory scratch;
  const auto model = api::Model::load(write_model(scratch, "m.tern", smallest(), true));
  REQUIRE(model.ok());
  CHECK(model->info().vocab_size == 263);
  CHECK_THAT(*model->kernels(), Catch::Contains("linear_"));
  CHECK(model->warnings()->empty());
  CHECK(*model->piece(261, 259) == "ab");
  const std::vector<int32_t> letters(100, 261);
  CHECK(model->detokenize(letters)->size() == 200);
  CHECK(model->stops(2));
  CHECK_FALSE(model->stops(259));

  auto session = api::Session::create(*model);
  REQUIRE(session.ok());
  const uint32_t a = *session->add();
  const std::vector<tern_step_token> step = {{a, 259, 0}, {a, 260, 1}};
  REQUIRE(session->step(step).ok());
  CHECK(session->logits_count() == 1);
  CHECK(session->logits(0).size() == 263);
  CHECK(session->logits(1).empty());
  const uint32_t b = *session->fork(a);
  REQUIRE(session->truncate(b, 1).ok());
  const auto bytes = session->save(a);
  REQUIRE(bytes.ok());
  const uint32_t c = *session->restore(*bytes);
  CHECK(*session->length(a) == 2);
  CHECK(*session->length(b) == 1);
  CHECK(*session->length(c) == 2);
  REQUIRE(session->remove(a).ok());

  auto sampler = api::Sampler::create();
  REQUIRE(sampler.ok());
  CHECK(*sampler->sample(std::vector<float>{0, 2, 1}) == 1);
  CHECK(sampler->accept(1).ok());
}

TEST_CASE("the wrapper hands errors on") {
  const ScratchDirectory scratch;
  const auto absent = api::Model::load(scratch / "absent.tern");
  REQUIRE_FALSE(absent.ok());
  CHECK(absent.error().status == TERN_NOT_FOUND);
  CHECK_THAT(absent.error().message, Catch::Contains("absent.tern"));
  const auto model = api::Model::load(write_model(scratch, "m.tern", smallest(), false));
  REQUIRE(model.ok());
  CHECK(model->piece(1, -1).error().status == TERN_NOT_FOUND);
  CHECK_FALSE(model->stops(2));
  auto session = api::Session::create(*model);
  CHECK(session->remove(5).error().status == TERN_INVALID_ARGUMENT);
  CHECK(session->fork(5).error().status == TERN_INVALID_ARGUMENT);
  CHECK(session->restore({}).error().status == TERN_CORRUPT);
}

}  // namespace tern::test
