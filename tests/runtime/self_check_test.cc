// Broken kernels are found, passed over and reported; the model computes as if they were not there.
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <thread>

#include "kernels/dispatch/self_check.h"
#include "runtime/model/parts.h"
#include "runtime/session/session.h"
#include "tern/tern.h"
#include "tests/runtime/broken_kernels.h"
#include "tests/runtime/tiny_model.h"

namespace tern {
namespace {

using test::is_broken;
using test::TinyFile;

std::vector<const LinearKernelEntry*> runnable() {
  std::vector<const LinearKernelEntry*> kernels;
  const CpuFeatures features = detect_cpu().features;
  for (const LinearKernelEntry& kernel : linear_kernels()) {
    if ((kernel.needs & ~features) == 0) kernels.push_back(&kernel);
  }
  return kernels;
}

bool contains(const std::vector<std::string>& sentences, const std::string& sentence) {
  return std::find(sentences.begin(), sentences.end(), sentence) != sentences.end();
}

// Logits of a prompt of several tokens, then of single ones.
std::vector<float> logits_of(std::shared_ptr<const Model> model) {
  SessionOptions options;
  options.threads = 2, options.work_per_thread = 0;
  auto session = Session::create(std::move(model), options);
  REQUIRE(session.ok());
  const SequenceId id = (*session)->add_sequence().value();
  std::vector<float> all;
  for (const size_t count : {5, 1, 1}) {
    std::vector<StepToken> step;
    for (size_t i = 0; i < count; ++i) step.push_back({id, static_cast<int32_t>(3 + 7 * i % 20), true});
    REQUIRE((*session)->step(step).ok());
    for (uint64_t i = 0; i < (*session)->logits_count(); ++i) {
      const auto logits = (*session)->logits(i);
      all.insert(all.end(), logits.begin(), logits.end());
    }
  }
  return all;
}

}  // namespace

TEST_CASE("self-check: every broken kernel is found, every real one passes") {
  for (const LinearKernelEntry* kernel : runnable()) {
    INFO(kernel->name);
    CHECK(agrees_with_reference(*kernel) == !is_broken(*kernel));
  }
  const CpuFeatures features = detect_cpu().features;
  for (const ElementKernels& table : element_kernels()) {
    INFO(table.isa);
    if ((table.needs & ~features) == 0) CHECK(agrees_with_reference(table) == !is_broken(table));
  }
  for (const ElementKernels& table : test::broken_elements()) {
    INFO(table.isa);
    CHECK_FALSE(same_bits(table, element_kernels().back()));
  }
}

TEST_CASE("self-check: an answer is remembered, and threads may ask at once") {
  const std::vector<const LinearKernelEntry*> kernels = runnable();
  std::vector<std::vector<bool>> answers(4);
  std::vector<std::thread> threads;
  for (std::vector<bool>& own : answers) {
    threads.emplace_back([&own, &kernels] {
      for (const LinearKernelEntry* kernel : kernels) own.push_back(agrees_with_reference(*kernel));
      for (const ElementKernels& table : element_kernels()) {
        if (is_broken(table)) own.push_back(agrees_with_reference(table));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<bool>& own : answers) CHECK(own == answers[0]);
  const int runs = test::broken_runs;
  CHECK(runs > 0);
  for (const LinearKernelEntry* kernel : kernels) CHECK(agrees_with_reference(*kernel) == !is_broken(*kernel));
  CHECK(test::broken_runs == runs);
}

TEST_CASE("self-check: selection steps down to the first kernel that works") {
  Encoding encoding = test::trit(1, ScaleScope::tensor, 0, FloatType::f32);
  const auto works = [](const LinearKernelEntry& kernel) { return agrees_with_reference(kernel); };
  const CpuFeatures features = detect_cpu().features;
  CHECK(is_broken(*select_linear(encoding, LinearInput::int8, features)));
  for (const auto family : {KernelFamily::dot, KernelFamily::multiplication_free}) {
    CHECK(is_broken(*select_linear(encoding, LinearInput::int8, features, family)));
    const LinearKernelEntry* kernel = select_linear(encoding, LinearInput::int8, features, family, works);
    REQUIRE(kernel);
    CHECK_FALSE(is_broken(*kernel));
    CHECK((features == 0 || kernel->family == family));
  }
  const LinearKernelEntry* scalar = select_linear(encoding, LinearInput::int8, 0, std::nullopt, works);
  REQUIRE(scalar);
  CHECK(std::string(scalar->name) == "linear_trit2_a8_reference_scalar");
  CHECK(select_linear(encoding, LinearInput::int8, features, {}, [](const auto&) { return false; }) == nullptr);

  CHECK(is_broken(select_elements(features)));
  CHECK_FALSE(is_broken(select_elements(features, [](const ElementKernels& t) { return agrees_with_reference(t); })));
  CHECK(std::string(select_elements(features, [](const auto&) { return false; }).isa) == "scalar");
}

TEST_CASE("self-check: a model computes without the broken kernels and says so") {
  for (const test::TinyShape& shape : test::tiny_shapes()) {
    INFO(shape.name);
    const TinyFile file(shape);
    const int runs_of_checks = [&] {
      file.load();
      return test::broken_runs.load();
    }();
    const auto model = file.load();
    for (const std::string& name : model->kernels()) CHECK(name.starts_with("linear_"));
    CHECK_FALSE(is_broken(*model->parts().elements));
    LoadOptions reference;
    reference.isa = "scalar", reference.family = KernelFamily::reference;
    const auto slow = file.load(reference);
    for (const std::string& sentence : slow->warnings()) CHECK(sentence.starts_with("elements (broken_"));
    CHECK(logits_of(model) == logits_of(slow));
    CHECK(test::broken_runs == runs_of_checks);  // none ran outside its check
  }
}

TEST_CASE("self-check: the warnings name what failed and what runs, once") {
  const TinyFile file(test::tiny_shapes()[1]);
  LoadOptions options;
  options.isa = "scalar";
  const std::vector<std::string> warnings = file.load(options)->warnings();
  const auto says = [&](const std::string& failed, const std::string& used) {
    return contains(warnings, failed + " gives wrong results on this CPU; " + used + " is used");
  };
  CHECK(warnings.size() == 9 + 1 + 2);  // trit layers, the head, elements
  CHECK(says("broken_everywhere", "linear_trit2_a8_reference_scalar"));
  CHECK(says("broken_first_scale", "linear_trit2_a8_reference_scalar"));
  CHECK(says("broken_in_one_lane", "linear_int8_a8_reference_scalar"));
  CHECK(says("elements (broken_attention)", "elements (scalar)"));
  options.family = KernelFamily::multiplication_free;
  CHECK(file.load(options)->warnings().size() == 2 + 2);

  tern_load_options same = {};
  same.struct_size = sizeof same, same.isa = "scalar";
  tern_model* model = nullptr;
  REQUIRE(tern_model_load(file.path().c_str(), &same, &model, nullptr) == TERN_OK);
  std::string text(4096, '#'), expected;
  size_t size = 0;
  CHECK(tern_model_warnings(model, text.data(), text.size(), &size, nullptr) == TERN_OK);
  for (const std::string& sentence : warnings) expected += sentence + "\n";
  CHECK(text.substr(0, size) == expected);
  tern_model_free(model);
}

}  // namespace tern
