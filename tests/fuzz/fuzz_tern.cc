// Bytes to TernFile::parse, as they are and resealed (so that hashes do not shield what lies behind),
// then everything that a caller may do with the result.
#include <cstdlib>

#include "formats/encoding/values.h"
#include "formats/tern/validate.h"
#include "tests/format/aligned_bytes.h"
#include "tests/tools/golden_files.h"

namespace {

void use(std::span<const std::byte> bytes) {
  const tern::test::AlignedBytes copy(bytes);
  const auto file = tern::TernFile::parse(copy.span(), "fuzz");
  if (!file.ok()) {
    if (file.status().message().size() < 8) std::abort();  // an error that says nothing
    return;
  }
  (void)(*file)->verify_payload().ok();
  (void)tern::validate_model((*file)->description()).ok();
  const auto& tensors = (*file)->description().tensors;
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    const tern::TensorRecord& t = tensors[i];
    if ((*file)->find_tensor(t.name) != i) std::abort();
    const auto layout = tern::layout_of(t.encoding, t.rows, t.cols);
    if (!layout.ok() || t.encoding.kind == tern::EncodingKind::index) continue;
    std::vector<float> row(t.cols);
    tern::decode_row(t.encoding, *layout, t.cols, (*file)->codes(i).data(), (*file)->scales(i).data(), t.rows - 1,
                     row.data(), (*file)->codebook(i));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  use({bytes, size});
  tern::test::Bytes sealed(bytes, bytes + size);
  tern::test::reseal(sealed);
  use(sealed);
  return 0;
}
