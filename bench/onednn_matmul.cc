#include "bench/onednn_matmul.h"

#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "base/random.h"
#include "kernels/onednn/one_thread.h"

namespace tern::bench {
namespace {

using dnnl::memory;
using Type = memory::data_type;

struct Numbers {
  const char* encoding;
  Type source, weights, sums;
  uint64_t bytes;  // of a weight
  LinearKernelEntry entry;
};

LinearKernelEntry named(const char* name, LinearInput input) {
  return {name, EncodingKind::dense, 0, FloatType::f32, input, KernelFamily::dot, 0, nullptr};
}

const Numbers* numbers_of(const std::string& encoding) {
  static const Numbers kNumbers[] = {
      {"f32", Type::f32, Type::f32, Type::f32, 4, named("onednn_f32_f32_matmul_packed", LinearInput::f32)},
      {"bf16", Type::bf16, Type::bf16, Type::f32, 2, named("onednn_bf16_bf16_matmul_packed", LinearInput::f32)},
      {"int8", Type::u8, Type::s8, Type::s32, 1, named("onednn_int8_a8_matmul_packed", LinearInput::int8)}};
  for (const Numbers& numbers : kNumbers) {
    if (numbers.encoding == encoding) return &numbers;
  }
  return nullptr;
}

// tokens x cols times cols x rows, on the thread that calls it within a team.
class Matmul {
 public:
  Matmul(const Numbers& n, memory::dim tokens, memory::dim cols, memory::dim rows)
      : description_({{tokens, cols}, n.source, memory::format_tag::ab},
                     {{cols, rows}, n.weights, memory::format_tag::any},
                     {{tokens, rows}, n.sums, memory::format_tag::ab}),
        chosen_(description_, engine()),
        matmul_(chosen_) {
    arguments_ = {{DNNL_ARG_SRC, random_memory(chosen_.src_desc(), tokens, cols)},
                  {DNNL_ARG_WEIGHTS, random_memory(chosen_.weights_desc(), cols, rows)},
                  {DNNL_ARG_DST, memory(chosen_.dst_desc(), engine())}};
  }
  void run() const {
    dnnl::stream stream(engine());
    matmul_.execute(stream, arguments_);
    stream.wait();
  }

 private:
  static dnnl::engine& engine() {
    static dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
    return cpu;
  }
  // Integers 0..100 as floats, converted and packed.
  static memory random_memory(const memory::desc& packed, memory::dim rows, memory::dim cols) {
    memory plain({{rows, cols}, Type::f32, memory::format_tag::ab}, engine()), made(packed, engine());
    Random random(3);
    auto* values = static_cast<float*>(plain.get_data_handle());
    for (memory::dim i = 0; i < rows * cols; ++i) values[i] = static_cast<float>(random.below(101));
    dnnl::stream stream(engine());
    dnnl::reorder(plain, made).execute(stream, plain, made);
    stream.wait();
    return made;
  }
  dnnl::matmul::desc description_;
  dnnl::matmul::primitive_desc chosen_;
  dnnl::matmul matmul_;
  std::unordered_map<int, memory> arguments_;
};

class PackedMatmul : public OneDnnMatmul {
 public:
  PackedMatmul(const Numbers& numbers, const LayerShape& shape, unsigned threads)
      : numbers_(numbers), weights_(shape.rows * shape.cols) {
    std::vector<uint64_t> rows(threads);
    ThreadTeam(threads).run([&](const ThreadTeam::Member& member) {
      const auto share = member.share(shape.rows, kTileRows);
      rows[member.index()] = share.end - share.begin;
    });
    const OneThread one;
    for (const uint64_t n : rows) {
      parts_.push_back(n == 0 ? nullptr
                              : std::make_unique<Matmul>(numbers, static_cast<memory::dim>(shape.tokens),
                                                         static_cast<memory::dim>(shape.cols),
                                                         static_cast<memory::dim>(n)));
    }
  }
  void run(const ThreadTeam::Member& member, uint64_t) override {
    const OneThread one;
    if (parts_[member.index()]) parts_[member.index()]->run();
  }
  const LinearKernelEntry& entry() const override { return numbers_.entry; }
  uint64_t weights() const override { return weights_; }
  uint64_t bytes() const override { return weights_ * numbers_.bytes; }

 private:
  const Numbers& numbers_;
  uint64_t weights_;
  std::vector<std::unique_ptr<Matmul>> parts_;
};

}  // namespace

std::unique_ptr<OneDnnMatmul> OneDnnMatmul::make(const std::string& encoding, const LayerShape& shape,
                                                 unsigned threads) {
  const Numbers* numbers = numbers_of(encoding);
  if (numbers == nullptr) return nullptr;
  try {
    return std::make_unique<PackedMatmul>(*numbers, shape, threads);
  } catch (const dnnl::error&) {  // this CPU does not multiply them
    return nullptr;
  }
}

}  // namespace tern::bench
