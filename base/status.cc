#include "base/status.h"

namespace tern {

const char* code_name(Code code) {
  switch (code) {
    case Code::ok:
      return "ok";
    case Code::invalid_argument:
      return "invalid argument";
    case Code::corrupt:
      return "corrupt";
    case Code::unsupported:
      return "unsupported";
    case Code::not_found:
      return "not found";
    case Code::io_error:
      return "i/o error";
    case Code::out_of_memory:
      return "out of memory";
    case Code::aborted:
      return "aborted";
    case Code::internal:
      return "internal error";
  }
  return "unknown";
}

}  // namespace tern
