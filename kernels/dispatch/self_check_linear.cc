#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "base/checked.h"
#include "formats/encoding/values.h"
#include "kernels/dispatch/self_check.h"

namespace tern {
namespace {

using self_check::draw;
using self_check::Lines;

struct Vectors {
  uint8_t length = 0, bits = 0;
  uint32_t group = 0;  // columns of a codebook
  FloatType value_type = FloatType::f16;
  bool integer = false;  // a codebook of int8; always so for activations of int8
};

struct Shape {
  ScaleScope scope;
  FloatType scale_type;
  uint8_t planes;  // of trits or vectors, stages of phases
  uint64_t rows, cols, tokens;
  bool input_groups;  // activations are rounded in the weights' groups
  uint64_t first_tile;
  bool extreme;  // a row of the largest codes and one of the smallest, long runs of activations 127 and -127
  Vectors vectors = {};
  bool written = false;  // trits without code 3, as files have them
};

constexpr uint32_t kGroup = 26;  // a multiple of no block
// Tiles and tokens count 1 + 2 + 4 (+ 8), so that register blocks of every size come up; 11 tokens are still few for
// kernels that unpack a tile for many.
constexpr Shape kShapes[] = {
    {ScaleScope::group, FloatType::f16, 2, 235, 57, 1, true, 0, false},
    {ScaleScope::group, FloatType::bf16, 1, 47, 57, 15, false, 0, false},
    {ScaleScope::row, FloatType::f32, 3, 57, 21, 11, false, 1, false},
    {ScaleScope::tensor, FloatType::f32, 2, 2, 37, 1, false, 0, true},
};
// Of trits with int8 activations, too: enough of them for the bodies that share unpacked weights and tables, in two
// slices of columns, each count with a rest.
constexpr Shape kLargeBatch[] = {
    {ScaleScope::row, FloatType::f32, 1, 139, 361, 17, false, 0, false, {}, true},
};

// Of vout, vin8 and vin16 in this order, with the lengths and widths that kernels treat in ways of their own.
constexpr Shape kVectorShapes[3][4] = {
    {{ScaleScope::none, FloatType::f32, 1, 283, 37, 1, false, 0, false, {8, 16}},
     {ScaleScope::row, FloatType::f32, 2, 205, 23, 15, false, 0, false, {6, 12, 10, FloatType::bf16}},
     {ScaleScope::tensor, FloatType::f32, 1, 500, 19, 5, false, 1, false, {12, 8, 0, FloatType::f16, true}},
     {ScaleScope::none, FloatType::f32, 1, 301, 21, 1, false, 0, false, {7, 11, 0, FloatType::f32, true}}},
    {{ScaleScope::row, FloatType::f16, 1, 587, 150, 1, false, 0, false, {4, 8}},
     {ScaleScope::row, FloatType::f32, 2, 139, 57, 15, false, 1, false, {8, 8, 24, FloatType::f16, true}},
     {ScaleScope::tensor, FloatType::bf16, 1, 75, 37, 5, false, 0, false, {2, 4, 0, FloatType::f32}},
     {ScaleScope::none, FloatType::f32, 1, 66, 1029, 1, false, 0, true, {7, 8, 0, FloatType::bf16}}},
    {{ScaleScope::row, FloatType::f16, 1, 75, 61, 1, false, 0, false, {8, 16}},
     {ScaleScope::row, FloatType::f32, 2, 139, 57, 15, false, 1, false, {8, 12, 16}},
     {ScaleScope::tensor, FloatType::f32, 1, 33, 37, 5, false, 0, false, {6, 11, 0, FloatType::f32}},
     {ScaleScope::none, FloatType::f32, 1, 21, 37, 1, false, 0, false, {16, 9, 0, FloatType::f32, true}}}};

std::span<const Shape> shapes_of(const LinearKernelEntry& kernel) {
  if (kernel.encoding != EncodingKind::vector) return kShapes;
  return kVectorShapes[kernel.bits / 8];
}

std::span<const Shape> batches_of(const LinearKernelEntry& kernel) {
  if (kernel.encoding != EncodingKind::trit || kernel.input != LinearInput::int8) return {};
  return kLargeBatch;
}

// Columns after which narrow sums of extreme codes overflow, if they were not emptied: look-up tables fill the
// scratch memory at 64512 columns of trits and complex ones of phases, or earlier; their int16 sums at 4096 and 256.
uint64_t many_columns(const LinearKernelEntry& kernel) {
  const bool phase = kernel.encoding == EncodingKind::phase;
  if (kernel.input != LinearInput::int8) return phase ? 2 * 37 : 37;
  if (phase) return 2 * 64533;
  return kernel.encoding == EncodingKind::trit ? 64533 : 1029;
}

class Layer {
 public:
  Layer(const LinearKernelEntry& kernel, const Shape& shape)
      : shape_(shape), random_(shape.rows), encoding_(encoding_of(kernel)) {
    const bool longer = shape.extreme && kernel.encoding != EncodingKind::vector;
    const uint64_t cols = longer ? many_columns(kernel) : cols_of(shape), rows = halves() * shape.rows;
    layout_ = layout_of(encoding_, rows, cols).value();
    weight_ = {encoding_, layout_, rows, cols, nullptr, nullptr};
    input_.tokens = shape.tokens;
    make_codes();
    make_scales();
    if (encoding_.kind == EncodingKind::vector) make_codebook(kernel.input == LinearInput::int8);
    if (kernel.input == LinearInput::f32) make_floats();
    if (kernel.input == LinearInput::int8) make_rounded();
  }

  std::vector<float> run(LinearKernel kernel, std::byte* scratch) const {
    const uint64_t stride = weight_.rows + 3;
    std::vector<float> y(shape_.tokens * stride, -12345.5f);
    kernel(weight_, input_, {y.data(), stride}, {shape_.first_tile, layout_.tiles}, scratch);
    return y;
  }

 private:
  Encoding encoding_of(const LinearKernelEntry& kernel) const {
    Encoding e;
    e.kind = kernel.encoding, e.bits = kernel.bits, e.value_type = kernel.value_type;
    if (e.kind == EncodingKind::dense) return e;
    if (e.kind != EncodingKind::int_) e.planes = shape_.planes;
    if (e.kind == EncodingKind::phase) e.bits = shape_.planes % 2 != 0 ? 1 : 2;
    e.scope = shape_.scope, e.scale_type = shape_.scale_type;
    if (e.kind == EncodingKind::vector) {
      const Vectors& v = shape_.vectors;
      e.axis = kernel.bits == 0 ? VectorAxis::output : VectorAxis::input;
      e.bits = v.bits, e.length = v.length, e.group = v.group;
      return e;
    }
    e.group = e.scope == ScaleScope::group ? kGroup : 0;
    if (e.kind == EncodingKind::phase && e.group != 0 && e.planes % 2 == 0) e.scope = ScaleScope::tile;
    return e;
  }

  uint64_t halves() const { return encoding_.kind == EncodingKind::phase ? 2 : 1; }
  // A half of phase is whole groups.
  uint64_t cols_of(const Shape& shape) const {
    if (encoding_.kind != EncodingKind::phase) return shape.cols;
    return 2 * (shape.scope == ScaleScope::group ? align_up(shape.cols, kGroup) : shape.cols);
  }

  // Codes of every value, in the padding too.
  void make_codes() {
    codes_ = Lines<std::byte>(layout_.code_bytes);
    std::byte* to = codes_.data();
    weight_.codes = to;
    if (encoding_.kind == EncodingKind::dense) {
      const uint64_t values = layout_.code_bytes / float_bytes(encoding_.value_type);
      for (uint64_t i = 0; i < values; ++i) store_float(encoding_.value_type, to, i, draw(random_));
      return;
    }
    for (uint64_t i = 0; i < layout_.code_bytes; i += 8) {
      const uint64_t eight = random_.next(), threes = eight >> 1 & eight & 0x5555555555555555u;
      const uint64_t written = encoding_.bits == 2 ? eight & ~threes : eight;
      std::memcpy(to + i, shape_.written ? &written : &eight, 8);
    }
    if (!shape_.extreme || encoding_.kind == EncodingKind::vector) return;
    for (uint64_t i = 0; i < layout_.code_bytes; i += kBlockBytes) {  // four bytes of a block are one row's
      std::memset(to + i, 0xff, 4);
      std::memset(to + i + 4, 0, 4);
    }
  }

  // Entries of every value; extreme: of the largest and the smallest code.
  void make_codebook(bool rounded) {
    const Vectors& v = shape_.vectors;
    const bool integer = rounded || v.integer;  // of length 2 and 4: sums fit int16, of others they do not
    const uint64_t entries = codebook_entries(encoding_, weight_.cols);
    const uint64_t values = integer ? align_up(entries, kTileRows) * align_up(v.length, 4) : entries * v.length;
    book_ = Lines<std::byte>(values * (integer ? 1 : float_bytes(v.value_type)));
    constexpr uint64_t kDrawn = 4099;  // of half a million; the others repeat them
    for (uint64_t i = 0; i < values && !integer; ++i) {
      const float value = i < kDrawn ? draw(random_) : load_float(v.value_type, book_.data(), i - kDrawn);
      store_float(v.value_type, book_.data(), i, value);
    }
    for (uint64_t i = 0; i < values && integer; ++i) {
      const uint64_t r = random_.next();
      book_.data()[i] = static_cast<std::byte>(shape_.extreme ? (r >> 63) * 255 : v.length <= 4 ? 64 + r % 128 : r);
    }
    weight_.codebook = {book_.data(), v.value_type, integer, integer ? draw_scale() : 1.f};
  }

  void make_scales() {
    if (layout_.scale_bytes == 0) return;
    scales_ = Lines<std::byte>(layout_.scale_bytes);
    const uint64_t count = layout_.scale_bytes / float_bytes(encoding_.scale_type);
    for (uint64_t i = 0; i < count; ++i) store_float(encoding_.scale_type, scales_.data(), i, draw_scale());
    weight_.scales = scales_.data();
  }

  void make_floats() {
    const uint64_t stride = align_up(std::max(layout_.padded_cols(), weight_.cols), kTileRows);
    x_ = Lines<float>(shape_.tokens * stride);
    for (uint64_t m = 0; m < shape_.tokens; ++m) {
      float* x = x_.data() + m * stride;
      for (uint64_t i = 0; i < stride; ++i) x[i] = i < weight_.cols ? draw(random_) : 0;
    }
    input_.x = x_.data();
    input_.x_stride = stride;
  }

  void make_rounded() {
    const bool own_groups = shape_.input_groups || encoding_.kind == EncodingKind::phase;
    const uint64_t groups = own_groups ? layout_.input_groups() : 1;
    const uint64_t stride = align_up(layout_.padded_cols(), kBlockBytes);
    a_ = Lines<int8_t>(shape_.tokens * stride);
    a_scales_ = Lines<float>(shape_.tokens * groups);
    sums_ = Lines<int32_t>(shape_.tokens * groups);
    std::memset(a_.data(), 0, shape_.tokens * stride);
    std::memset(sums_.data(), 0, shape_.tokens * groups * sizeof(int32_t));
    for (uint64_t m = 0; m < shape_.tokens; ++m) {
      for (uint64_t g = 0; g < layout_.input_groups(); ++g) {
        const uint64_t begin = g * layout_.group_cols, end = std::min(weight_.cols, begin + layout_.group_cols);
        int8_t* codes = a_.data() + m * stride + g * layout_.padded_group_cols();
        int32_t& sum = sums_.data()[m * groups + (groups == 1 ? 0 : g)];
        for (uint64_t i = begin; i < end; ++i) sum += * codes++ = activation(i);
      }
      for (uint64_t g = 0; g < groups; ++g) a_scales_.data()[m * groups + g] = draw_scale();
    }
    input_.codes = a_.data(), input_.code_stride = stride;
    input_.scales = a_scales_.data(), input_.sums = sums_.data(), input_.groups = groups;
  }

  float draw_scale() {
    const float scale = draw(random_);
    return scale != 0 ? scale : 1;  // zero would hide what it scales
  }

  // Extreme ones: the runs differ in length, or overflows in both directions would cancel; the end is random, so that
  // what is computed once and kept too long shows.
  int8_t activation(uint64_t column) {
    const uint64_t quarter = weight_.cols / 4;
    if (shape_.extreme && column < 3 * quarter) return column < 2 * quarter ? 127 : -127;
    return static_cast<int8_t>(static_cast<int>((random_.next() >> 32) * 255 >> 32) - 127);
  }

  const Shape& shape_;
  Random random_;
  Encoding encoding_;
  Layout layout_;
  WeightView weight_;
  InputView input_;
  Lines<std::byte> codes_, scales_, book_;
  Lines<float> x_, a_scales_;
  Lines<int8_t> a_;
  Lines<int32_t> sums_;
};

}  // namespace

bool same_bits(const LinearKernelEntry& kernel, const LinearKernelEntry& reference) {
  const Lines<std::byte> scratch(kLinearScratchBytes);
  const auto same = [&](const Shape& shape) {
    const Layer layer(kernel, shape);
    const std::vector<float> y = layer.run(kernel.run, scratch.data());
    const std::vector<float> expected = layer.run(reference.run, scratch.data());
    return std::memcmp(y.data(), expected.data(), y.size() * sizeof(float)) == 0;
  };
  return std::ranges::all_of(shapes_of(kernel), same) && std::ranges::all_of(batches_of(kernel), same);
}

}  // namespace tern
