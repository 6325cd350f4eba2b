#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "base/file_descriptor.h"
#include "base/huge_pages.h"

namespace tern {
namespace {

Status read_all(int fd, std::byte* to, size_t size, const std::string& path) {
  for (size_t done = 0; done < size;) {
    const ssize_t count = ::pread(fd, to + done, size - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return io_error("cannot read " + path + ": " + system_message(errno));
    if (count == 0) return io_error(path + " became shorter while it was read");
    done += static_cast<size_t>(count);
  }
  return {};
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path, FileAccess access) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer. It has no effect on regular files.
  FileDescriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return not_found("cannot open " + path + ": " + system_message(errno));
    return io_error("cannot open " + path + ": " + system_message(errno));
  }
  struct stat info;
  if (::fstat(file.fd, &info) != 0) return io_error("cannot query " + path + ": " + system_message(errno));
  if (S_ISDIR(info.st_mode)) return invalid_argument(path + " is a directory, expected a file");
  if (!S_ISREG(info.st_mode)) return invalid_argument(path + " is not a regular file, so it cannot be mapped");

  MappedFile mapped;
  mapped.path_ = path;
  mapped.access_ = access;
  if (info.st_size == 0) return mapped;
  const size_t size = static_cast<size_t>(info.st_size);
  TERN_TRY(access == FileAccess::map ? mapped.map(file.fd, size) : mapped.copy(file.fd, size));
  return mapped;
}

Status MappedFile::map(int fd, size_t size) {
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (memory == MAP_FAILED) return io_error("cannot map " + path_ + ": " + system_message(errno));
  memory_ = memory, memory_size_ = size;
  data_ = static_cast<const std::byte*>(memory), size_ = size;
  return {};
}

Status MappedFile::copy(int fd, size_t size) {
  const auto fails = [&] { return out_of_memory("not enough memory for a copy of " + path_); };
  if (size > SIZE_MAX - 2 * kHugePage) return fails();
  const size_t room = size + 2 * kHugePage;
  void* memory = ::mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return fails();
  memory_ = memory, memory_size_ = room;
  const uintptr_t start = (reinterpret_cast<uintptr_t>(memory) + kHugePage - 1) / kHugePage * kHugePage;
  std::byte* data = reinterpret_cast<std::byte*>(start);
  wish_huge_pages(data, (size + kHugePage - 1) / kHugePage * kHugePage);
  TERN_TRY(read_all(fd, data, size, path_));
  ::mprotect(memory, room, PROT_READ);
  data_ = data, size_ = size;
  return {};
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(memory_, other.memory_);
  std::swap(memory_size_, other.memory_size_);
  std::swap(access_, other.access_);
  std::swap(path_, other.path_);
  return *this;
}

MappedFile::~MappedFile() {
  if (memory_ != nullptr) ::munmap(memory_, memory_size_);
}

void MappedFile::release(size_t offset, size_t size) const {
  if (offset >= size_ || access_ == FileAccess::copy) return;
  if (size > size_ - offset) size = size_ - offset;
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t end = offset + size;
  const size_t first = offset / page + (offset % page != 0);
  const size_t last = end == size_ ? end / page + (end % page != 0) : end / page;  // the file's tail page is whole
  if (first >= last) return;
  ::madvise(const_cast<std::byte*>(data_) + first * page, (last - first) * page, MADV_DONTNEED);
}

}  // namespace tern
