// The buffers that a piece of tokens runs through, as large as the largest piece so far.
#pragma once

#include <array>
#include <cstddef>
#include <new>
#include <vector>

#include "base/checked.h"
#include "base/huge_pages.h"
#include "runtime/model/block.h"

namespace tern {

// Uninitialised memory on a cache line, in huge pages where it fills some; grows, forgetting its contents.
template <class T>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;
  ~AlignedBuffer() { free(); }

  // Throws std::bad_alloc.
  T* grow(uint64_t n) {
    if (n <= size_) return data_;
    free();
    const uint64_t bytes = n * sizeof(T);
    alignment_ = bytes < 2 * kHugePage ? kBlockBytes : kHugePage;
    const uint64_t whole = align_up(bytes, alignment_);
    data_ = static_cast<T*>(::operator new (whole, std::align_val_t{alignment_}));
    if (alignment_ == kHugePage) wish_huge_pages(data_, whole);
    size_ = n;
    return data_;
  }
  T* data() const { return data_; }

 private:
  void free() {
    ::operator delete (data_, std::align_val_t{alignment_});
    data_ = nullptr;
    size_ = 0;
  }
  T* data_ = nullptr;
  uint64_t size_ = 0, alignment_ = kBlockBytes;
};

class Workspace {
 public:
  Workspace(const Model::Parts& model, unsigned threads) : model_(model), threads_(threads) {}

  // Points the workspace members of `piece` at buffers for `tokens` tokens. Throws std::bad_alloc.
  void bind(uint64_t tokens, MicroBatch& piece);

 private:
  // The most that any record of the model needs per token.
  struct Widths {
    uint64_t x = 0, forms = 0;
    void include(const InputPlan& plan);
  };
  struct Input {
    AlignedBuffer<float> x;
    AlignedBuffer<std::byte> forms;
    LinearInputBuffer bind(uint64_t tokens, const Widths& widths);
  };
  void bind_inputs(uint64_t tokens, MicroBatch& piece);
  void bind_scratch(uint64_t tokens, MicroBatch& piece);

  const Model::Parts& model_;
  unsigned threads_;
  AlignedBuffer<float> x_, added_, q_, k_, v_, gate_, up_, fused_, cos_, sin_, partial_, rows_;
  Input in_, mid_;
  std::array<AlignedBuffer<std::byte>, kOwnInputs> own_;
  AlignedBuffer<std::byte> scratch_;
  std::vector<MemberScratch> scratch_of_;
};

}  // namespace tern
