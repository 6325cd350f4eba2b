// Little-endian fields of the file: a cursor that never reads past its bytes, and its counterpart.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace tern {

static_assert(std::endian::native == std::endian::little, "the format is read in place on little-endian machines");

// Reads past the end give zeros and set failed(), so that callers check once per record.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <class T>
  T get() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value{};
    if (const std::byte* from = take(sizeof(T))) std::memcpy(&value, from, sizeof(T));
    return value;
  }
  std::string_view text(uint64_t size) {
    const std::byte* from = take(size);
    return from ? std::string_view(reinterpret_cast<const char*>(from), size) : std::string_view();
  }
  // Skips to the next multiple of 8 from the start; false if a skipped byte is not zero.
  bool skip_padding() {
    while (!failed_ && position_ % 8 != 0) {
      if (get<uint8_t>() != 0) return false;
    }
    return true;
  }

  bool failed() const { return failed_; }
  uint64_t remaining() const { return bytes_.size() - position_; }

 private:
  const std::byte* take(uint64_t size) {
    if (failed_ || size > remaining()) {
      failed_ = true;
      return nullptr;
    }
    const std::byte* from = bytes_.data() + position_;
    position_ += size;
    return from;
  }
  std::span<const std::byte> bytes_;
  uint64_t position_ = 0;
  bool failed_ = false;
};

class ByteWriter {
 public:
  template <class T>
  void put(T value) {
    static_assert(std::is_trivially_copyable_v<T>);
    const auto* from = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), from, from + sizeof(T));
  }
  void text(std::string_view s) {
    const auto* from = reinterpret_cast<const std::byte*>(s.data());
    bytes_.insert(bytes_.end(), from, from + s.size());
  }
  void pad_to(uint64_t alignment) { bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment); }
  uint64_t size() const { return bytes_.size(); }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace tern
