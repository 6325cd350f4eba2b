// The golden files of tests/golden, made from scratch: small, deterministic, one per thing that a
// reader must understand, and broken ones with the sentence that they must fail with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "formats/tern/description.h"

namespace tern::test {

using Bytes = std::vector<std::byte>;

struct GoldenModel {
  std::string name;  // file: <name>.tern
  ModelDescription description;
};

// Must load, and pass verify_payload.
std::vector<GoldenModel> golden_models();
// A whole model of the architecture, too large for the repository, with the smallest shapes.
ModelDescription whole_model();

// Values of the payload, a function of tensor name and position: -1..1 for trits, any for the rest; phase: k of i^k, a
// function of complex row and column and of the plane 2 stage + matrix.
int golden_code(const TensorRecord& tensor, uint64_t row, uint64_t col, unsigned plane);
uint16_t golden_vector(const TensorRecord& t, uint64_t lane, uint64_t position, unsigned plane);  // an index
float golden_value(const TensorRecord& tensor, uint64_t row, uint64_t col);  // plain and dense
float golden_scale(uint64_t row, uint64_t group, unsigned plane);

// Writes the description with that payload to `path`.
Status write_golden(const std::string& path, const ModelDescription& description);
Bytes read_bytes(const std::string& path);
// The same, as bytes (through a temporary file).
Bytes golden_bytes(const ModelDescription& description);
// The bytes of the golden model of that name, made once.
const Bytes& golden_file(const std::string& name);

struct BrokenFile {
  std::string name;  // file: <name>.tern, and <name>.error with the expected sentence
  Bytes bytes;
};
// Must fail: in parse or, if that succeeds, in verify_payload.
std::vector<BrokenFile> broken_files();

// Recomputes the hashes of sections, table and header after a change, so that the rule behind is met.
void reseal(Bytes& file);
// Offset in the file of a section's first byte; its size.
uint64_t section_offset(const Bytes& file, const std::string& kind);
uint64_t section_bytes(const Bytes& file, const std::string& kind);

// Where a field of the first tensor's record stands, by its offset in the record.
uint64_t tensor_field(const Bytes& file, uint64_t offset);
// Recomputes the hashes of the first tensor's parts, then reseals.
void reseal_parts(Bytes& file);

template <class T>
void poke(Bytes& file, uint64_t offset, T value) {
  for (size_t i = 0; i < sizeof(T); ++i)
    file[offset + i] = static_cast<std::byte>(static_cast<uint64_t>(value) >> 8 * i);
}
template <class T>
T peek(const Bytes& file, uint64_t offset) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value |= std::to_integer<uint64_t>(file[offset + i]) << 8 * i;
  return static_cast<T>(value);
}

// Lines of 16 bytes, offset first; runs of zero lines as one '*'.
std::string hex_dump(const Bytes& bytes);

}  // namespace tern::test
