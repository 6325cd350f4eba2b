#include "bench/layer.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/checked.h"
#include "base/random.h"
#include "formats/encoding/values.h"

namespace tern::bench {
namespace {

Encoding encoding_of(const LinearKernelEntry& kernel, const LayerShape& shape) {
  Encoding e;
  e.kind = kernel.encoding;
  e.bits = kernel.bits;
  e.value_type = kernel.value_type;
  if (e.kind == EncodingKind::dense) return e;
  if (e.kind != EncodingKind::int_) e.planes = shape.planes;
  if (e.kind == EncodingKind::phase) e.bits = 2;
  if (e.kind == EncodingKind::vector) {
    e.axis = kernel.bits == 0 ? VectorAxis::output : VectorAxis::input;
    e.length = shape.length, e.bits = shape.index_bits;
    e.scope = e.axis == VectorAxis::output ? ScaleScope::none : ScaleScope::row;  // as VPTQ and AQLM have them
    e.scale_type = FloatType::f16;
    return e;
  }
  e.scope = shape.tile ? ScaleScope::tile : shape.group != 0 ? ScaleScope::group : ScaleScope::row;
  e.scale_type = shape.group != 0 ? FloatType::f16 : FloatType::f32;
  e.group = shape.group;
  return e;
}

// Random bytes are codes; at two bits without code 3, which no file has.
void draw_codes(const Encoding& e, Random& random, std::byte* to, uint64_t bytes) {
  if (e.kind == EncodingKind::dense) {
    const uint64_t count = bytes / float_bytes(e.value_type);
    for (uint64_t i = 0; i < count; ++i) store_float(e.value_type, to, i, random.uniform());
    return;
  }
  for (uint64_t i = 0; i + 8 <= bytes; i += 8) {
    uint64_t eight = random.next();
    if (e.kind == EncodingKind::trit && e.bits == 2) eight &= ~(eight >> 1 & 0x5555555555555555u);
    std::memcpy(to + i, &eight, 8);
  }
}

}  // namespace

Status check(const LinearKernelEntry& kernel, const LayerShape& shape) {
  if (kernel.encoding == EncodingKind::vector && kernel.bits != 0 &&
      (kernel.bits == 8 ? shape.index_bits > 8 : shape.index_bits <= 8)) {
    return invalid_argument("vin8 takes indices of up to 8 bits, vin16 of more; found " +
                            std::to_string(shape.index_bits));
  }
  return layout_of(encoding_of(kernel, shape), shape.rows, shape.cols).status();
}

Layer::Memory Layer::allocate(uint64_t bytes) {
  // A page more: kernels prefetch beyond the end.
  const uint64_t size = align_up(bytes, uint64_t{4096}) + 4096;
  Memory memory(static_cast<std::byte*>(::operator new (size, std::align_val_t{4096})));
  std::memset(memory.get(), 0, size);
  return memory;
}

Layer::Layer(const LinearKernelEntry& kernel, const LayerShape& shape, unsigned threads, uint64_t footprint)
    : kernel_(kernel), scratch_(allocate(threads * kLinearScratchBytes)), y_(shape.rows * shape.tokens) {
  make_weights(shape, footprint);
  make_input(shape.tokens);
}

void Layer::make_weights(const LayerShape& shape, uint64_t footprint) {
  const Encoding e = encoding_of(kernel_, shape);
  const Layout layout = layout_of(e, shape.rows, shape.cols).value();
  copies_ = std::max<uint64_t>(1, ceil_div(footprint, layout.code_bytes));
  codes_ = allocate(copies_ * layout.code_bytes);
  scales_ = allocate(copies_ * layout.scale_bytes);
  Random random(1);
  draw_codes(e, random, codes_.get(), layout.code_bytes);
  for (uint64_t i = 1; i < copies_; ++i)
    std::memcpy(codes_.get() + i * layout.code_bytes, codes_.get(), layout.code_bytes);
  if (layout.scale_bytes != 0) {
    const uint64_t scales = copies_ * layout.scale_bytes / float_bytes(e.scale_type);
    for (uint64_t i = 0; i < scales; ++i) store_float(e.scale_type, scales_.get(), i, 0.01f);
  }
  weight_ = {e, layout, shape.rows, shape.cols, codes_.get(), scales_.get()};
  if (e.kind == EncodingKind::vector) make_codebook(random, shape.int8_codebooks || kernel_.input == LinearInput::int8);
}

// f16, or int8 that tables of int16 can take.
void Layer::make_codebook(Random& random, bool integer) {
  const uint64_t entries = codebook_entries(weight_.encoding, weight_.cols);
  const uint64_t values =
      integer ? align_up(entries, kTileRows) * align_up(weight_.encoding.length, 4) : entries * weight_.encoding.length;
  book_ = allocate(values * 2);
  const uint64_t most = 32767 / 127 / weight_.encoding.length;
  for (uint64_t i = 0; i < values; ++i) {
    if (integer) book_.get()[i] = static_cast<std::byte>(128 - most + random.below(2 * most + 1));
    if (!integer) store_float(FloatType::f16, book_.get(), i, random.uniform());
  }
  weight_.codebook = {book_.get(), FloatType::f16, integer, integer ? 0.01f : 1.f};
}

void Layer::make_input(uint64_t tokens) {
  const uint64_t cols = align_up(weight_.layout.padded_cols(), uint64_t{64});
  values_ = allocate(tokens * cols * sizeof(float));
  const Layout& layout = weight_.layout;
  const uint64_t groups = layout.input_groups();
  input_scales_ = allocate(tokens * groups * sizeof(float));
  input_sums_ = allocate(tokens * groups * sizeof(int32_t));
  input_.tokens = tokens, input_.groups = groups;
  Random random(2);
  if (kernel_.input == LinearInput::f32) {
    float* x = reinterpret_cast<float*>(values_.get());
    for (uint64_t m = 0; m < tokens; ++m)
      for (uint64_t i = 0; i < weight_.cols; ++i) x[m * cols + i] = random.uniform();
    input_.x = x, input_.x_stride = cols;
    return;
  }
  int8_t* codes = reinterpret_cast<int8_t*>(values_.get());
  int32_t* sums = reinterpret_cast<int32_t*>(input_sums_.get());
  for (uint64_t m = 0; m < tokens; ++m) {
    for (uint64_t i = 0; i < weight_.cols; ++i) {
      const uint64_t group = i / layout.group_cols;
      const auto code = static_cast<int8_t>(static_cast<int>(random.below(255)) - 127);
      codes[m * cols + group * layout.padded_group_cols() + i % layout.group_cols] = code;
      sums[m * groups + group] += code;
    }
  }
  input_.codes = codes, input_.code_stride = cols;
  input_.scales = reinterpret_cast<const float*>(input_scales_.get());
  input_.sums = sums;
}

void Layer::run(const ThreadTeam::Member& member, uint64_t round) {
  WeightView weight = weight_;
  weight.codes += round % copies_ * weight.layout.code_bytes;
  weight.scales += round % copies_ * weight.layout.scale_bytes;
  const auto tiles = member.share(weight.layout.tiles);
  kernel_.run(weight, input_, {y_.data(), weight.rows}, {tiles.begin, tiles.end},
              scratch_.get() + member.index() * kLinearScratchBytes);
}

}  // namespace tern::bench
