#include "base/scratch_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "base/file_descriptor.h"

namespace tern {
namespace {

// Linux can make a file that never has a name; elsewhere the name is removed at once.
int open_nameless(const std::string& folder) {
#ifdef O_TMPFILE
  if (const int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600); fd >= 0) return fd;
#endif
  std::string name = folder + "/.tern-scratch-XXXXXX";
  const int fd = ::mkstemp(name.data());
  if (fd >= 0) ::unlink(name.c_str());
  return fd;
}

}  // namespace

Result<ScratchFile> ScratchFile::create(const std::string& path, uint64_t bytes) {
  ScratchFile scratch;
  if (bytes == 0) return scratch;
  const std::string parent = std::filesystem::path(path).parent_path().string();
  const std::string folder = parent.empty() ? "." : parent;
  const FileDescriptor file{open_nameless(folder)};
  if (file.fd < 0) return io_error("cannot make a temporary file in " + folder + ": " + system_message(errno));
  if (const int error = ::posix_fallocate(file.fd, 0, static_cast<off_t>(bytes)); error != 0) {
    return io_error("cannot set aside " + std::to_string(bytes) + " bytes for a temporary file in " + folder + ": " +
                    system_message(error));
  }
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd, 0);
  if (memory == MAP_FAILED) return io_error("cannot map a temporary file in " + folder + ": " + system_message(errno));
  scratch.data_ = static_cast<std::byte*>(memory), scratch.size_ = bytes;
  return scratch;
}

ScratchFile::ScratchFile(ScratchFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

ScratchFile& ScratchFile::operator=(ScratchFile&& other) noexcept {
  std::swap(data_, other.data_), std::swap(size_, other.size_);
  return *this;
}

ScratchFile::~ScratchFile() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace tern
