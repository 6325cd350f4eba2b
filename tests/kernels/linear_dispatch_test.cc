// Kernel choice with invented CPUs, and the grammar of kernel names.
#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "kernels/dispatch/dispatch.h"

namespace tern {
namespace {

std::string encoding_part(const LinearKernelEntry& k) {
  if (k.encoding == EncodingKind::trit) return k.bits == 1 ? "trit5" : "trit2";
  if (k.encoding == EncodingKind::phase) return "phase";
  if (k.encoding == EncodingKind::vector) return k.bits == 0 ? "vout" : "vin" + std::to_string(k.bits);
  if (k.encoding == EncodingKind::int_) return "int" + std::to_string(k.bits);
  return k.value_type == FloatType::f32 ? "f32" : k.value_type == FloatType::f16 ? "f16" : "bf16";
}

std::string family_part(KernelFamily family) {
  if (family == KernelFamily::reference) return "reference";
  return family == KernelFamily::dot ? "dot" : "mulfree";
}

Encoding encoding_of(const LinearKernelEntry& k) {
  Encoding e;
  e.kind = k.encoding;
  e.bits = k.bits;
  e.value_type = k.value_type;
  e.scope = k.encoding == EncodingKind::dense ? ScaleScope::none : ScaleScope::row;
  if (k.encoding == EncodingKind::vector && k.bits != 0) e.axis = VectorAxis::input;
  return e;
}

CpuFeatures needs_of(const std::string& isa) {
  if (isa == "scalar") return 0;
  if (isa == "avx2") return cpu_avx2;
  if (isa == "avxvnni") return cpu_avx2 | cpu_avx_vnni;
  if (isa == "avx512") return cpu_avx2 | cpu_avx512;
  if (isa == "avx512vnni") return cpu_avx2 | cpu_avx512 | cpu_avx512_vnni;
  if (isa == "avx512vbmi") return cpu_avx2 | cpu_avx512 | cpu_avx512_vbmi;
  if (isa == "avx512vnnivbmi") return cpu_avx2 | cpu_avx512 | cpu_avx512_vnni | cpu_avx512_vbmi;
  if (isa == "neon") return cpu_neon;
  if (isa == "dotprod") return cpu_neon | cpu_dotprod;
  if (isa == "i8mm") return cpu_neon | cpu_dotprod | cpu_i8mm;
  FAIL("unknown ISA in a kernel name: " << isa);
  return 0;
}

}  // namespace

TEST_CASE("kernel names follow linear_<encoding>_<input>_<family>_<isa>") {
  std::set<std::string> names;
  for (const LinearKernelEntry& k : linear_kernels()) {
    const std::string name = k.name;
    CAPTURE(name);
    CHECK(names.insert(name).second);
    const std::string stem = "linear_" + encoding_part(k) + "_" + (k.input == LinearInput::int8 ? "a8" : "f32") + "_" +
                             family_part(k.family) + "_";
    REQUIRE(name.substr(0, stem.size()) == stem);
    CHECK(needs_of(name.substr(stem.size())) == k.needs);
  }
}

TEST_CASE("the rule that tern cpu shows is the order of the list") {
  size_t rules = 0;
  const CpuFeatures cpus[] = {cpu_avx2, cpu_avx2 | cpu_avx512, ~CpuFeatures{0}, cpu_neon, cpu_neon | cpu_dotprod};
  for (const LinearKernelEntry& kernel : linear_kernels()) {
    for (const CpuFeatures features : cpus) {
      const LinearKernelEntry* chosen = select_linear(encoding_of(kernel), kernel.input, features);
      const std::string rule(family_rule(*chosen));
      if (rule.empty()) continue;
      ++rules;
      INFO(chosen->name << ": " << rule);
      CHECK(rule.find(chosen->family == KernelFamily::dot ? "dot products before" : "tables before") == 0);
    }
  }
  if (linear_kernels().front().needs != 0) CHECK(rules != 0);
}

TEST_CASE("select_linear takes the first kernel that the features allow") {
  const CpuFeatures cpus[] = {0,
                              cpu_avx2,
                              cpu_avx2 | cpu_avx512,
                              cpu_avx2 | cpu_avx512 | cpu_avx512_vnni,
                              cpu_neon,
                              cpu_neon | cpu_dotprod,
                              ~CpuFeatures{0}};
  for (const LinearKernelEntry& wanted : linear_kernels()) {
    for (const CpuFeatures features : cpus) {
      const LinearKernelEntry* found = select_linear(encoding_of(wanted), wanted.input, features);
      REQUIRE(found);
      CHECK(encoding_part(*found) == encoding_part(wanted));
      CHECK(found->input == wanted.input);
      CHECK((found->needs & ~features) == 0);
      // Nothing before it in the list fits.
      for (const LinearKernelEntry* k = linear_kernels().data(); k != found; ++k) {
        const bool same = encoding_part(*k) == encoding_part(wanted) && k->input == wanted.input;
        CHECK_FALSE((same && (k->needs & ~features) == 0));
      }
      if (features == 0) CHECK(found->family == KernelFamily::reference);
    }
  }
}

TEST_CASE("a family can be asked for") {
  Encoding trit;
  trit.kind = EncodingKind::trit;
  trit.bits = 2;
  trit.scope = ScaleScope::tensor;
  const CpuFeatures all = ~CpuFeatures{0};
  for (const KernelFamily family : {KernelFamily::reference, KernelFamily::dot, KernelFamily::multiplication_free}) {
    const LinearKernelEntry* k = select_linear(trit, LinearInput::int8, all, family);
    REQUIRE(k);
    CHECK(k->family == family);
  }
  const LinearKernelEntry* scalar = select_linear(trit, LinearInput::int8, 0, KernelFamily::dot);
  REQUIRE(scalar);
  CHECK(scalar->family == KernelFamily::reference);
}

TEST_CASE("every kernel that this CPU runs passes its self-check", "[short]") {
  const CpuFeatures features = detect_cpu().features;
  for (const LinearKernelEntry& kernel : linear_kernels()) {
    INFO(kernel.name);
    if ((kernel.needs & ~features) == 0) CHECK(agrees_with_reference(kernel));
  }
  for (const ElementKernels& table : element_kernels()) {
    INFO("elements " << table.isa);
    if ((table.needs & ~features) == 0) CHECK(agrees_with_reference(table));
  }
}

TEST_CASE("an encoding without kernels has none") {
  Encoding e;
  e.kind = EncodingKind::sign;
  e.bits = 1;
  CHECK(select_linear(e, LinearInput::int8, ~CpuFeatures{0}) == nullptr);
  e.kind = EncodingKind::int_;
  e.bits = 5;
  CHECK(select_linear(e, LinearInput::int8, ~CpuFeatures{0}) == nullptr);
}

}  // namespace tern
