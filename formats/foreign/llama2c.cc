#include "formats/foreign/llama2c.h"

#include <fmt/format.h>

#include <cstring>

#include "base/checked.h"

namespace tern {
namespace {

constexpr uint32_t kMagic = 0x616b3432;  // "ak42"
constexpr uint64_t kHeaderBytes = 256;   // versions 1 and 2
constexpr uint32_t kMaxLayers = 1u << 16;

template <class T>
T load(std::span<const std::byte> bytes, size_t offset) {  // REQUIRES the range to be inside
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

// The seven int32 that every version has.
Status read_shape(std::span<const std::byte> bytes, size_t offset, const std::string& name, Llama2cFile* file) {
  const char* fields[] = {"dim", "hidden_dim", "n_layers", "n_heads", "n_kv_heads", "vocab_size", "seq_len"};
  uint32_t* out[] = {&file->dim,      &file->hidden, &file->layers, &file->heads,
                     &file->kv_heads, &file->vocab,  &file->context};
  for (size_t i = 0; i < 7; ++i) {
    int64_t value = load<int32_t>(bytes, offset + 4 * i);
    if (i == 5 && file->version == 0 && value < 0) {  // version 0 marks an untied head so
      file->tied = false;
      value = -value;
    }
    if (value <= 0 || value > 0x7fffffff) {
      return corrupt(
          fmt::format("{}: not a llama2.c checkpoint: {} is {}, expected a positive count", name, fields[i], value));
    }
    *out[i] = static_cast<uint32_t>(value);
  }
  if (file->layers > kMaxLayers) {
    return corrupt(fmt::format("{}: n_layers is {}, at most {} expected", name, file->layers, kMaxLayers));
  }
  if (file->dim % file->heads != 0 || file->dim / file->heads % 2 != 0 || file->heads % file->kv_heads != 0) {
    return corrupt(fmt::format("{}: dim {}, n_heads {} and n_kv_heads {} do not make even heads", name, file->dim,
                               file->heads, file->kv_heads));
  }
  return {};
}

// Walks the file in order and hands out offsets; any overflow is kept until the end.
class Cursor {
 public:
  explicit Cursor(uint64_t start) : at_(start) {}
  uint64_t take(Checked bytes) {
    const uint64_t here = at_.value_or(0);
    at_ = checked_add(at_, bytes);
    return here;
  }
  Checked at() const { return at_; }

 private:
  Checked at_;
};

struct Shape {
  uint64_t rows, cols;
};

Shape shape_of(const Llama2cFile& f, Llama2cTensor tensor) {
  const uint64_t kv = uint64_t{f.dim} / f.heads * f.kv_heads;
  switch (tensor) {
    case Llama2cTensor::embedding:
    case Llama2cTensor::head:
      return {f.vocab, f.dim};
    case Llama2cTensor::attention_norm:
    case Llama2cTensor::ffn_norm:
    case Llama2cTensor::final_norm:
      return {1, f.dim};
    case Llama2cTensor::wq:
    case Llama2cTensor::wo:
      return {f.dim, f.dim};
    case Llama2cTensor::wk:
    case Llama2cTensor::wv:
      return {kv, f.dim};
    case Llama2cTensor::w1:
    case Llama2cTensor::w3:
      return {f.hidden, f.dim};
    case Llama2cTensor::w2:
      return {f.dim, f.hidden};
  }
  return {0, 0};
}

uint32_t copies_of(const Llama2cFile& f, Llama2cTensor tensor) {
  const bool once =
      tensor == Llama2cTensor::embedding || tensor == Llama2cTensor::final_norm || tensor == Llama2cTensor::head;
  return once ? 1 : f.layers;
}

void place_floats(Llama2cTensor tensor, Cursor* cursor, Llama2cFile* f) {
  for (uint32_t i = 0; i < copies_of(*f, tensor); ++i) {
    const Shape shape = shape_of(*f, tensor);
    const uint64_t at = cursor->take(checked_mul(checked_mul(shape.rows, shape.cols), 4));
    f->parts[static_cast<size_t>(tensor)].push_back({shape.rows, shape.cols, at, 0, false});
  }
}

// Groups run over the values of a whole matrix, so that one may straddle two rows.
Status place_int8(Llama2cTensor tensor, const std::string& name, Cursor* cursor, Llama2cFile* f) {
  for (uint32_t i = 0; i < copies_of(*f, tensor); ++i) {
    const Shape shape = shape_of(*f, tensor);
    const Checked count = checked_mul(shape.rows, shape.cols);
    if (!count || *count % f->group != 0) {
      return corrupt(fmt::format("{}: a {} x {} matrix is not a whole number of groups of {}", name, shape.rows,
                                 shape.cols, f->group));
    }
    const uint64_t codes = cursor->take(count);
    const uint64_t scales = cursor->take(checked_mul(*count / f->group, 4));
    f->parts[static_cast<size_t>(tensor)].push_back({shape.rows, shape.cols, codes, scales, true});
  }
  return {};
}

Status check_size(const Cursor& cursor, uint64_t found, const std::string& name) {
  if (cursor.at() == Checked(found)) return {};
  return corrupt(fmt::format("{}: {} bytes, its header asks for {}", name, found,
                             cursor.at() ? std::to_string(*cursor.at()) : "more than 2^64"));
}

Result<Llama2cFile> parse_v0(std::span<const std::byte> bytes, const std::string& name) {
  using T = Llama2cTensor;
  Llama2cFile f;
  TERN_TRY(read_shape(bytes, 0, name, &f));
  Cursor cursor(28);
  for (T t :
       {T::embedding, T::attention_norm, T::wq, T::wk, T::wv, T::wo, T::ffn_norm, T::w1, T::w2, T::w3, T::final_norm}) {
    place_floats(t, &cursor, &f);
  }
  // Tables of cosines and sines for RoPE that run.c skips as well.
  cursor.take(checked_mul(checked_mul(f.context, f.dim / f.heads / 2), 8));
  if (!f.tied) place_floats(T::head, &cursor, &f);
  TERN_TRY(check_size(cursor, bytes.size(), name));
  return f;
}

Result<Llama2cFile> parse_v2(std::span<const std::byte> bytes, const std::string& name) {
  using T = Llama2cTensor;
  if (bytes.size() < kHeaderBytes) {
    return corrupt(fmt::format("{}: {} bytes, shorter than the 256-byte header", name, bytes.size()));
  }
  Llama2cFile f;
  f.version = 2;
  TERN_TRY(read_shape(bytes, 8, name, &f));
  const auto shared = load<uint8_t>(bytes, 36);
  const auto group = load<int32_t>(bytes, 37);
  if (shared > 1) return corrupt(fmt::format("{}: the 'shared classifier' byte is {}, expected 0 or 1", name, shared));
  if (group <= 0) return corrupt(fmt::format("{}: group size is {}, expected a positive count", name, group));
  for (size_t i = 41; i < kHeaderBytes; ++i) {
    if (bytes[i] != std::byte{0}) return unsupported(fmt::format("{}: header byte {} is not zero", name, i));
  }
  f.tied = shared == 1;
  f.group = static_cast<uint32_t>(group);
  Cursor cursor(kHeaderBytes);
  for (T t : {T::attention_norm, T::ffn_norm, T::final_norm}) place_floats(t, &cursor, &f);
  for (T t : {T::embedding, T::wq, T::wk, T::wv, T::wo, T::w1, T::w2, T::w3}) {
    TERN_TRY(place_int8(t, name, &cursor, &f));
  }
  if (!f.tied) TERN_TRY(place_int8(T::head, name, &cursor, &f));
  TERN_TRY(check_size(cursor, bytes.size(), name));
  return f;
}

}  // namespace

Result<Llama2cFile> parse_llama2c(std::span<const std::byte> bytes, const std::string& name) {
  if (bytes.size() < 28) {
    return corrupt(fmt::format("{}: {} bytes, too short for a llama2.c checkpoint", name, bytes.size()));
  }
  if (load<uint32_t>(bytes, 0) == kMagic) {
    const auto version = load<int32_t>(bytes, 4);
    if (version == 2) return parse_v2(bytes, name);
    return unsupported(
        fmt::format("{}: llama2.c version {} is not supported, only 0 and 2 (version 1 is used for different layouts)",
                    name, version));
  }
  if (std::memcmp(bytes.data(), "PK", 2) == 0) {
    return unsupported(name + ": this is a PyTorch archive, not a llama2.c checkpoint; use the safetensors files");
  }
  return parse_v0(bytes, name);
}

}  // namespace tern
