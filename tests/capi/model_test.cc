// Loading, inspecting, versions, errors and the growth of structs.
#include <cstring>
#include <stdexcept>

#include "capi/outcome.h"
#include "tests/capi/fixture.h"

namespace tern::test {
namespace {

tern_load_options load_options() {
  tern_load_options options = {};
  options.struct_size = sizeof options;
  return options;
}

tern_status try_load(const char* path, const tern_load_options* options, tern_error* error) {
  tern_model* model = reinterpret_cast<tern_model*>(1);
  const tern_status status = tern_model_load(path, options, &model, error);
  CHECK((status == TERN_OK) == (model != nullptr));
  tern_model_free(model);
  return status;
}

std::string kernels_of(const ModelHandle& model) {
  char names[256];
  size_t size = 0;
  works([&](tern_error* e) { return tern_model_kernels(model.get(), names, sizeof names, &size, e); });
  CHECK(std::strlen(names) == size);
  return names;
}

}  // namespace

TEST_CASE("versions and status names") {
  CHECK(tern_api_version() == TERN_API_VERSION);
  CHECK_THAT(tern_version(), Catch::Matches("[0-9]+\\.[0-9]+\\.[0-9]+"));
  CHECK(std::string(tern_status_name(TERN_OK)) == "ok");
  CHECK(std::string(tern_status_name(TERN_CORRUPT)) == "corrupt");
  CHECK(std::string(tern_status_name(TERN_INTERNAL)) == "internal error");
  CHECK(std::string(tern_status_name(TERN_BUFFER_TOO_SMALL)) == "buffer too small");
  CHECK(std::string(tern_status_name(static_cast<tern_status>(10))) == "unknown");
}

TEST_CASE("a model says what it is") {
  const ScratchDirectory scratch;
  const ModelHandle model = load(write_model(scratch, "m.tern", smallest(), true));
  tern_model_info info = {};
  info.struct_size = sizeof info;
  works([&](tern_error* e) { return tern_model_get_info(model.get(), &info, e); });
  CHECK(info.struct_size == sizeof info);
  CHECK(info.vocab_size == 263);
  CHECK(info.hidden_size == 8);
  CHECK(info.ffn_size == 8);
  CHECK(info.layers == 1);
  CHECK(info.heads == 1);
  CHECK(info.kv_heads == 1);
  CHECK(info.head_dim == 4);
  CHECK(info.context == 256);
  CHECK(info.file_bytes == std::filesystem::file_size(scratch / "m.tern"));
  CHECK(info.bytes_per_token > 0);
  CHECK(info.has_tokenizer == 1);
  CHECK(info.pieces == 263);
  CHECK(info.bos == 1);
  CHECK(info.eos == 2);
  CHECK_THAT(kernels_of(model), Catch::Contains("linear_"));

  const ModelHandle bare = load(write_model(scratch, "bare.tern", smallest(), false));
  works([&](tern_error* e) { return tern_model_get_info(bare.get(), &info, e); });
  CHECK(info.has_tokenizer == 0);
  CHECK(info.pieces == 0);
  CHECK(info.bos == -1);
  fails(TERN_INVALID_ARGUMENT, "model is NULL", [&](tern_error* e) { return tern_model_get_info(nullptr, &info, e); });
  fails(TERN_INVALID_ARGUMENT, "info is NULL",
        [&](tern_error* e) { return tern_model_get_info(model.get(), nullptr, e); });
  info.struct_size = sizeof info - 1;
  fails(TERN_INVALID_ARGUMENT, "struct_size",
        [&](tern_error* e) { return tern_model_get_info(model.get(), &info, e); });
}

TEST_CASE("load options reach the model") {
  const ScratchDirectory scratch;
  const std::string path = write_model(scratch, "m.tern", tiny_shapes()[1], false);
  tern_load_options options = load_options();
  options.isa = "scalar", options.kernels = TERN_KERNELS_REFERENCE;
  CHECK_THAT(kernels_of(load(path, &options)), Catch::Contains("reference"));
  options.activations = TERN_ACTIVATIONS_F32;
  const std::string kernels = kernels_of(load(path, &options));
  CHECK_THAT(kernels, !Catch::Contains("a8"));

  options = load_options(), options.isa = "abacus";
  fails(TERN_INVALID_ARGUMENT, "abacus", [&](tern_error* e) { return try_load(path.c_str(), &options, e); });
  options = load_options(), options.kernels = 4;
  fails(TERN_INVALID_ARGUMENT, "kernels is 4", [&](tern_error* e) { return try_load(path.c_str(), &options, e); });
  options = load_options(), options.activations = -1;
  fails(TERN_INVALID_ARGUMENT, "activations", [&](tern_error* e) { return try_load(path.c_str(), &options, e); });
  for (const int32_t stages : {-1, 1}) {  // the model has no stages
    options = load_options(), options.stages = stages;
    fails(TERN_INVALID_ARGUMENT, "stages", [&](tern_error* e) { return try_load(path.c_str(), &options, e); });
  }
}

TEST_CASE("loading refuses what is no model") {
  const ScratchDirectory scratch;
  const std::string path = write_model(scratch, "m.tern", smallest(), false);
  fails(TERN_INVALID_ARGUMENT, "path is NULL", [&](tern_error* e) { return try_load(nullptr, nullptr, e); });
  fails(TERN_INVALID_ARGUMENT, "model is NULL",
        [&](tern_error* e) { return tern_model_load(path.c_str(), nullptr, nullptr, e); });
  const std::string absent = scratch / "absent.tern";
  fails(TERN_NOT_FOUND, "absent.tern", [&](tern_error* e) { return try_load(absent.c_str(), nullptr, e); });
  const std::string whole = read_file(path), cut = scratch / "cut.tern";
  write_file(cut, whole.substr(0, whole.size() / 2));
  fails(TERN_CORRUPT, "cut.tern", [&](tern_error* e) { return try_load(cut.c_str(), nullptr, e); });
}

TEST_CASE("check_tensors reads everything, reports and stops when asked") {
  const ScratchDirectory scratch;
  const std::string path = write_model(scratch, "m.tern", tiny_shapes()[1], false);
  tern_load_options options = load_options();
  options.check_tensors = 1;
  int calls = 0;
  options.progress_user = &calls;
  options.progress = [](void* user, const char* what, uint64_t done, uint64_t total) {
    ++*static_cast<int*>(user);
    return what != nullptr && done <= total ? 0 : 1;
  };
  load(path, &options);
  CHECK(calls > 0);
  options.progress = [](void*, const char*, uint64_t, uint64_t) { return 1; };
  fails(TERN_ABORTED, "", [&](tern_error* e) { return try_load(path.c_str(), &options, e); });
  options.progress = [](void*, const char*, uint64_t, uint64_t) -> int { throw std::runtime_error("from C++"); };
  fails(TERN_ABORTED, "", [&](tern_error* e) { return try_load(path.c_str(), &options, e); });

  options.progress = nullptr;
  std::string bytes = read_file(path);
  bytes[bytes.size() - 1] ^= 1;  // of a tensor: tensors come last
  write_file(path, bytes);
  fails(TERN_CORRUPT, "m.tern", [&](tern_error* e) { return try_load(path.c_str(), &options, e); });
}

TEST_CASE("structs may grow") {
  const ScratchDirectory scratch;
  const std::string path = write_model(scratch, "m.tern", smallest(), false);
  struct Newer {
    tern_load_options known;
    uint64_t more[4];
  } options = {load_options(), {}};
  options.known.struct_size = sizeof options;
  load(path, &options.known);
  options.more[3] = uint64_t{1} << 63;  // the last byte
  fails(TERN_UNSUPPORTED, "does not know", [&](tern_error* e) { return try_load(path.c_str(), &options.known, e); });
  for (const size_t wrong : {size_t{0}, sizeof(size_t), sizeof(tern_load_options) - 1, size_t{4097}, SIZE_MAX}) {
    options.known.struct_size = wrong;
    fails(TERN_INVALID_ARGUMENT, "struct_size",
          [&](tern_error* e) { return try_load(path.c_str(), &options.known, e); });
  }

  struct NewerInfo {
    tern_model_info known;
    uint64_t more;
  } info = {{}, 7};
  info.known.struct_size = sizeof info;
  const ModelHandle model = load(path);
  works([&](tern_error* e) { return tern_model_get_info(model.get(), &info.known, e); });
  CHECK(info.known.struct_size == sizeof info);
  CHECK(info.known.vocab_size == 37);
  CHECK(info.more == 0);
}

TEST_CASE("kernel names fill a buffer or ask for one") {
  const ScratchDirectory scratch;
  const ModelHandle model = load(write_model(scratch, "m.tern", smallest(), false));
  size_t size = 0;
  fails(TERN_BUFFER_TOO_SMALL, "needed",
        [&](tern_error* e) { return tern_model_kernels(model.get(), nullptr, 0, &size, e); });
  REQUIRE(size > 0);
  std::string names(size + 2, '#');
  fails(TERN_BUFFER_TOO_SMALL, "needed",  // no room for the NUL
        [&](tern_error* e) { return tern_model_kernels(model.get(), names.data(), size, &size, e); });
  CHECK(names == std::string(size + 2, '#'));
  works([&](tern_error* e) { return tern_model_kernels(model.get(), names.data(), size + 1, &size, e); });
  CHECK(names[size] == '\0');
  CHECK(names[size + 1] == '#');
  fails(TERN_INVALID_ARGUMENT, "size is NULL",
        [&](tern_error* e) { return tern_model_kernels(model.get(), names.data(), 9, nullptr, e); });
  fails(TERN_INVALID_ARGUMENT, "names is NULL",
        [&](tern_error* e) { return tern_model_kernels(model.get(), nullptr, 9, &size, e); });
  fails(TERN_INVALID_ARGUMENT, "model is NULL",
        [&](tern_error* e) { return tern_model_kernels(nullptr, names.data(), 9, &size, e); });
}

TEST_CASE("a model without warnings has none") {
  const ScratchDirectory scratch;
  const ModelHandle model = load(write_model(scratch, "m.tern", smallest(), false));
  char text[2] = {'#', '#'};
  size_t size = 7;
  works([&](tern_error* e) { return tern_model_warnings(model.get(), text, 1, &size, e); });
  CHECK(size == 0);
  CHECK(text[0] == '\0');
  CHECK(text[1] == '#');
  fails(TERN_INVALID_ARGUMENT, "size is NULL",
        [&](tern_error* e) { return tern_model_warnings(model.get(), text, 1, nullptr, e); });
  fails(TERN_INVALID_ARGUMENT, "text is NULL",
        [&](tern_error* e) { return tern_model_warnings(model.get(), nullptr, 9, &size, e); });
  fails(TERN_INVALID_ARGUMENT, "model is NULL",
        [&](tern_error* e) { return tern_model_warnings(nullptr, text, 1, &size, e); });
}

TEST_CASE("whatever a body throws becomes a status") {
  using capi::guarded;
  using capi::Outcome;
  fails(TERN_OUT_OF_MEMORY, "memory",
        [](tern_error* e) { return guarded(e, []() -> Outcome { throw std::bad_alloc(); }); });
  fails(TERN_INTERNAL, "a sentence",
        [](tern_error* e) { return guarded(e, []() -> Outcome { throw std::runtime_error("a sentence"); }); });
  fails(TERN_INTERNAL, "unknown", [](tern_error* e) { return guarded(e, []() -> Outcome { throw 1; }); });
}

TEST_CASE("a long sentence is cut at a character") {
  tern_error error;
  const std::string letters = std::string(506, 'x') + "\xC3\xA9 and more";  // the character would end at 508
  CHECK(capi::report(&error, TERN_CORRUPT, letters) == TERN_CORRUPT);
  CHECK(std::string(error.message) == std::string(506, 'x'));
  CHECK(capi::report(&error, TERN_CORRUPT, std::string(505, 'x') + "\xC3\xA9 and more") == TERN_CORRUPT);
  CHECK(std::string(error.message) == std::string(505, 'x') + "\xC3\xA9");
  CHECK(capi::report(&error, TERN_OK, "") == TERN_OK);
  CHECK(error.message[0] == '\0');
}

}  // namespace tern::test
