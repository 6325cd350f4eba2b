// Writes a .tern file in one pass with bounded memory. The description fixes every tensor's
// shape and encoding first, hence all offsets; then tiles are appended tensor by tensor.
// Nothing stands under the final name until finish() has flushed and renamed the file.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/status.h"
#include "formats/tern/description.h"

namespace tern {

class TernWriter {
 public:
  // Part offsets, sizes and hashes of the description are ignored and computed here.
  static Result<std::unique_ptr<TernWriter>> create(const std::string& path, ModelDescription description);
  ~TernWriter();  // without finish(): removes the temporary file

  // Appends bytes to the codes (or scales) of a tensor, in file order; any block size.
  Status append_codes(uint32_t tensor, std::span<const std::byte> bytes);
  Status append_scales(uint32_t tensor, std::span<const std::byte> bytes);

  // Fails if any part is incomplete. After success the file stands under its final name.
  Status finish();

  uint64_t file_bytes() const;  // total size, known after create()

 private:
  struct State;
  explicit TernWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tern
