#include "tests/kernels/linear_case.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>

#include "base/checked.h"
#include "formats/encoding/values.h"

namespace tern {
namespace {

constexpr size_t kGuard = 192;
constexpr std::byte kPattern{0xa5};

template <class T>
T* as(GuardedBytes& bytes) {
  return reinterpret_cast<T*>(bytes.data());
}

void fill_codes(Random& random, Values values, GuardedBytes& codes) {
  const std::byte extremes[] = {std::byte{0xff}, std::byte{0xaa}, std::byte{0}, std::byte{0x55}};
  std::byte run{};
  for (size_t i = 0; i < codes.size(); ++i) {
    if (i % 4096 == 0) run = extremes[random.below(4)];
    codes.data()[i] = values == Values::extreme ? run : static_cast<std::byte>(random.below(256));
  }
}

// Dense weights and scales: finite values of moderate size, some of them tiny, zero or negative.
void fill_floats(Random& random, FloatType type, uint64_t count, GuardedBytes& to) {
  for (uint64_t i = 0; i < count; ++i) {
    float f = random.normal();
    if (random.below(16) == 0) f = 0;
    if (random.below(16) == 0) f *= 1e-6f;
    store_float(type, to.data(), i, f);
  }
}

void add_weights(Random& random, Values values, LinearCase& c) {
  c.memory.emplace_back(c.layout.code_bytes);
  c.memory.emplace_back(c.layout.scale_bytes);
  if (c.encoding.kind == EncodingKind::dense) {
    fill_floats(random, c.encoding.value_type, c.layout.code_bytes / float_bytes(c.encoding.value_type), c.memory[0]);
  } else {
    fill_codes(random, values, c.memory[0]);
    if (c.encoding.scope != ScaleScope::none)
      fill_floats(random, c.encoding.scale_type, c.layout.scale_count, c.memory[1]);
  }
  c.weight = {c.encoding, c.layout, c.rows, c.cols, c.memory[0].data(), c.memory[1].data()};
}

void add_float_input(Random& random, LinearCase& c) {
  const uint64_t stride = align_up(std::max(c.layout.padded_cols(), c.cols), 16) + 16 * random.below(2);
  c.memory.emplace_back(c.tokens * stride * 4);
  float* x = as<float>(c.memory.back());
  std::memset(x, 0, c.memory.back().size());
  for (uint64_t m = 0; m < c.tokens; ++m)
    for (uint64_t i = 0; i < c.cols; ++i) x[m * stride + i] = random.below(16) == 0 ? 0 : random.normal();
  c.input.x = x;
  c.input.x_stride = stride;
}

int8_t random_code(Random& random, Values values, int8_t run) {
  return values == Values::extreme ? run : static_cast<int8_t>(static_cast<int>(random.below(255)) - 127);
}

void add_int8_input(Random& random, Values values, bool per_group, LinearCase& c) {
  const Layout& l = c.layout;
  const uint64_t stride = align_up(l.padded_cols(), 64) + 64 * random.below(2);
  c.input.groups = per_group ? l.input_groups() : 1;
  c.memory.emplace_back(c.tokens * stride);
  c.memory.emplace_back(c.tokens * c.input.groups * 4);
  c.memory.emplace_back(c.tokens * c.input.groups * 4);
  int8_t* codes = as<int8_t>(c.memory[2]);
  float* scales = as<float>(c.memory[3]);
  int32_t* sums = as<int32_t>(c.memory[4]);
  std::memset(codes, 0, c.memory[2].size());
  std::memset(sums, 0, c.memory[4].size());
  for (uint64_t m = 0; m < c.tokens; ++m) {
    const int8_t run = random.below(2) ? 127 : -127;
    for (uint64_t i = 0; i < c.cols; ++i) {
      const uint64_t g = i / l.group_cols;
      const int8_t code = random_code(random, values, run);
      codes[m * stride + g * l.padded_group_cols() + i % l.group_cols] = code;
      sums[m * c.input.groups + (per_group ? g : 0)] += code;
    }
    for (uint64_t g = 0; g < c.input.groups; ++g) scales[m * c.input.groups + g] = random.uniform() + 0.001f;
  }
  c.input.codes = codes;
  c.input.code_stride = stride;
  c.input.scales = scales;
  c.input.sums = sums;
}

}  // namespace

GuardedBytes::GuardedBytes(size_t size) : storage_(size + 2 * kGuard + 64, kPattern), size_(size) {
  const auto address = reinterpret_cast<uintptr_t>(storage_.data()) + kGuard;
  begin_ = kGuard + (64 - address % 64) % 64;
}

bool GuardedBytes::guards_intact() const {
  for (size_t i = 0; i < storage_.size(); ++i) {
    if (i == begin_) i += size_;
    if (storage_[i] != kPattern) return false;
  }
  return true;
}

LinearCase make_case(Random& random, const Encoding& encoding, LinearInput input, uint64_t rows, uint64_t cols,
                     uint64_t tokens, bool input_per_group, Values values) {
  const Result<Layout> layout = layout_of(encoding, rows, cols);
  INFO(describe(encoding) << " " << rows << " x " << cols << ": " << layout.status().message());
  REQUIRE(layout.ok());
  LinearCase c;
  c.encoding = encoding;
  c.layout = *layout;
  c.rows = rows, c.cols = cols, c.tokens = tokens;
  c.text = describe(encoding) + ", " + std::to_string(rows) + " x " + std::to_string(cols) + ", tokens " +
           std::to_string(tokens) + (input_per_group ? ", activations per group" : ", activations per token") +
           (values == Values::extreme ? ", extreme" : "");
  c.memory.reserve(6);
  add_weights(random, values, c);
  c.input.tokens = tokens;
  if (input == LinearInput::f32) add_float_input(random, c);
  if (input == LinearInput::int8) add_int8_input(random, values, input_per_group, c);
  return c;
}

LinearCase make_vector_case(Random& random, const Encoding& e, FloatType value_type, bool integer, LinearInput input,
                            uint64_t rows, uint64_t cols, uint64_t tokens, Values values) {
  LinearCase c = make_case(random, e, input, rows, cols, tokens, false, values);
  const uint64_t entries = codebook_entries(e, cols), row_bytes = integer ? 4 * ((e.length + 3) / 4) : 0;
  const uint64_t bytes = integer ? (entries + 15) / 16 * 16 * row_bytes : entries * e.length * float_bytes(value_type);
  c.book = std::make_shared<GuardedBytes>(bytes);
  if (integer) fill_codes(random, values, *c.book);
  // Half of them so small that the sums of a vector fit int16: kernels have a way of their own for these.
  const int most = random.below(2) ? 128 : std::max(1, 32767 / 127 / e.length);
  for (uint64_t i = 0; i < bytes && integer && most < 128; ++i) {
    const int value = static_cast<int>(static_cast<uint8_t>(c.book->data()[i])) - 128;
    c.book->data()[i] = static_cast<std::byte>(128 + value * most / 128);
  }
  if (!integer) {
    float some[4099];  // drawing each of half a million takes its time
    for (float& f : some) f = random.below(16) == 0 ? 0 : random.normal();
    for (uint64_t i = 0; i < entries * e.length; ++i) store_float(value_type, c.book->data(), i, some[i % 4099]);
  }
  c.weight.codebook = {c.book->data(), value_type, integer, integer ? 0.37f : 1.f};
  c.text += integer ? ", int8 codebook" : ", codebook of type " + std::to_string(static_cast<int>(value_type));
  return c;
}

namespace {

LinearCase random_vector_case(Random& random, const LinearKernelEntry& kernel) {
  const FloatType types[] = {FloatType::f32, FloatType::f16, FloatType::bf16};
  const uint8_t lengths[] = {8, 4, 8, 6, 12, 16, 2, 32}, planes[] = {1, 1, 1, 2, 3};
  Encoding e;
  e.kind = EncodingKind::vector;
  e.axis = kernel.bits == 0 ? VectorAxis::output : VectorAxis::input;
  const uint64_t low = kernel.bits == 16 ? 9 : 1, most = kernel.bits == 0 ? 16 : kernel.bits;
  e.bits = static_cast<uint8_t>(random.below(3) == 0 ? most : low + random.below(most - low + 1));
  e.length = random.below(3) == 0 ? 2 + random.below(31) : lengths[random.below(8)];
  if (e.bits > 12) e.length = std::min<uint8_t>(e.length, 8);
  e.planes = e.bits > 12 ? 1 : planes[random.below(5)];
  e.scope = static_cast<ScaleScope>(random.below(3));
  if (e.scope != ScaleScope::none) e.scale_type = types[random.below(3)];
  const uint64_t step = e.axis == VectorAxis::output ? e.length : 1;
  const uint64_t rows = 1 + random.below(random.below(3) == 0 ? 400 : 40 * step);
  const uint64_t cols = 1 + random.below(random.below(3) == 0 ? 600 : 60);
  if (e.bits <= 8 && random.below(3) == 0) {
    const uint64_t unit = e.axis == VectorAxis::output ? 1 : e.length;
    e.group = static_cast<uint32_t>(std::min(cols, unit * (1 + random.below(20))) / unit * unit);
  }
  const bool rounded = kernel.input == LinearInput::int8;
  const bool integer = rounded || random.below(3) == 0;
  const uint64_t tokens = random.below(3) == 0 ? 1 : 1 + random.below(27);
  return make_vector_case(random, e, types[random.below(3)], integer, kernel.input, rows, cols, tokens,
                          rounded && random.below(4) == 0 ? Values::extreme : Values::ordinary);
}

// Complex rows and columns; a half is whole groups, and its groups are those of the activations. One in three runs
// fewer stages than the weights have.
LinearCase phase_case(Random& random, Encoding e, LinearInput input, uint64_t rows, uint64_t cols, uint64_t tokens,
                      Values values) {
  e.bits = 1 + random.below(2);
  if (has_group_scales(e)) cols = align_up(cols, uint64_t{e.group});
  LinearCase c = make_case(random, e, input, 2 * rows, 2 * cols, tokens, true, values);
  if (random.below(3) == 0) c.weight.encoding.planes = c.encoding.planes = 1 + random.below(e.planes);
  return c;
}

}  // namespace

LinearCase random_case(Random& random, const LinearKernelEntry& kernel) {
  if (kernel.encoding == EncodingKind::vector) return random_vector_case(random, kernel);
  const uint64_t groups[] = {1, 8, 24, 32, 64, 100, 128, 256};
  const FloatType types[] = {FloatType::f32, FloatType::f16, FloatType::bf16};
  const uint64_t row_tiles[] = {0, 1, 2, 3, 4, 5, 8, 9, 17};
  const auto around = [&](uint64_t multiple) { return std::max<uint64_t>(2, multiple + random.below(3)) - 1; };
  const uint64_t rows = random.below(4) == 0 ? 1 + random.below(200) : around(16 * row_tiles[random.below(9)]);
  const uint64_t cols = random.below(4) == 0 ? 1 + random.below(1200) : around(16 * random.below(40));
  const uint64_t tokens = random.below(3) == 0 ? 1 : 1 + random.below(27);
  Encoding e;
  e.kind = kernel.encoding;
  e.bits = kernel.bits;
  if (e.kind == EncodingKind::dense) {
    e.value_type = kernel.value_type;
  } else {
    const bool planes = e.kind == EncodingKind::trit || e.kind == EncodingKind::phase;
    e.planes = planes ? 1 + random.below(3) : 1;
    e.scope = static_cast<ScaleScope>(1 + random.below(e.kind == EncodingKind::phase ? 4 : 3));
    e.scale_type = types[random.below(3)];
    if (has_group_scales(e)) e.group = std::min(cols, groups[random.below(8)]);
  }
  const Values values = random.below(4) == 0 ? Values::extreme : Values::ordinary;
  if (e.kind == EncodingKind::phase) return phase_case(random, e, kernel.input, rows, cols, tokens, values);
  return make_case(random, e, kernel.input, rows, cols, tokens, random.below(4) != 0, values);
}

std::vector<float> run_guarded(const LinearCase& c, LinearKernel kernel, TileRange range) {
  const uint64_t stride = c.rows + 3;
  std::vector<float> y(c.tokens * stride, -12345.5f);
  static GuardedBytes* scratch = new GuardedBytes(kLinearScratchBytes);
  kernel(c.weight, c.input, {y.data(), stride}, range, scratch->data());
  CHECK(scratch->guards_intact());
  for (const GuardedBytes& memory : c.memory) CHECK(memory.guards_intact());
  if (c.book) CHECK(c.book->guards_intact());
  return y;
}

}  // namespace tern
