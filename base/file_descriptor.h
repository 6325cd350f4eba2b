// An open file, closed with the object, and what the system says of an error.
#pragma once

#include <unistd.h>

#include <string>
#include <system_error>

namespace tern {

struct FileDescriptor {
  explicit FileDescriptor(int number) : fd(number) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (fd >= 0) ::close(fd);
  }
  int fd;  // negative: it could not be opened
};

inline std::string system_message(int error) { return std::generic_category().message(error); }

}  // namespace tern
