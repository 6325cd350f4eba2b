// Any bytes as a safetensors file: an error that says something, or tensors whose bytes lie inside the file.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "formats/foreign/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto tensors = tern::parse_safetensors(bytes, "fuzz");
  if (!tensors.ok()) {
    if (tensors.status().message().size() < 8) std::abort();
    return 0;
  }
  unsigned sum = 0;
  for (const tern::ForeignTensor& tensor : *tensors) {
    uint64_t count = tern::foreign_type_bytes(tensor.type);
    for (uint64_t extent : tensor.shape) count *= extent;
    if (count != tensor.bytes) std::abort();
    for (std::byte b : bytes.subspan(tensor.offset, tensor.bytes)) sum += std::to_integer<unsigned>(b);
  }
  volatile unsigned sink = sum;
  (void)sink;
  return 0;
}
