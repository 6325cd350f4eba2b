#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace tern {
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer. It has no effect on regular files.
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return not_found("cannot open " + path + ": " + reason(errno));
    return io_error("cannot open " + path + ": " + reason(errno));
  }
  struct stat info;
  if (::fstat(file.fd, &info) != 0) return io_error("cannot query " + path + ": " + reason(errno));
  if (S_ISDIR(info.st_mode)) return invalid_argument(path + " is a directory, expected a file");
  if (!S_ISREG(info.st_mode)) return invalid_argument(path + " is not a regular file, so it cannot be mapped");

  MappedFile mapped;
  mapped.path_ = path;
  if (info.st_size == 0) return mapped;
  const size_t size = static_cast<size_t>(info.st_size);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (data == MAP_FAILED) return io_error("cannot map " + path + ": " + reason(errno));
  mapped.data_ = static_cast<const std::byte*>(data);
  mapped.size_ = size;
  return mapped;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)), path_(std::move(other.path_)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(path_, other.path_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::release(size_t offset, size_t size) const {
  if (offset >= size_) return;
  if (size > size_ - offset) size = size_ - offset;
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t end = offset + size;
  const size_t first = offset / page + (offset % page != 0);
  const size_t last = end == size_ ? end / page + (end % page != 0) : end / page;  // the file's tail page is whole
  if (first >= last) return;
  ::madvise(const_cast<std::byte*>(data_) + first * page, (last - first) * page, MADV_DONTNEED);
}

}  // namespace tern
