#include "capi/outcome.h"

uint32_t tern_api_version(void) { return TERN_API_VERSION; }

const char* tern_version(void) { return TERN_VERSION; }

const char* tern_status_name(tern_status status) {
  if (status == TERN_BUFFER_TOO_SMALL) return "buffer too small";
  constexpr auto last = static_cast<int>(tern::Code::internal);
  const auto number = static_cast<int>(status);
  // The numbers of Code are those of tern_status.
  static_assert(static_cast<int>(tern::Code::internal) == TERN_INTERNAL);
  return number >= 0 && number <= last ? tern::code_name(static_cast<tern::Code>(number)) : "unknown";
}
