#include "base/atomic_file.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/file_descriptor.h"

namespace tern {
namespace {

// Temporaries that exist now. A signal handler reads the table, so it holds no heap memory and no lock:
// a slot's name is valid while its owner is a process id.
struct LiveTemporary {
  std::atomic<pid_t> owner{0};  // 0: free, -1: name being written
  char name[PATH_MAX];
};
static_assert(std::atomic<pid_t>::is_always_lock_free);
std::array<LiveTemporary, 64> live_temporaries;

// Index of the slot, or -1 if the table is full. REQUIRES name.size() < PATH_MAX.
int enlist(const std::string& name) {
  for (size_t i = 0; i < live_temporaries.size(); ++i) {
    pid_t expected = 0;
    if (!live_temporaries[i].owner.compare_exchange_strong(expected, -1)) continue;
    std::memcpy(live_temporaries[i].name, name.c_str(), name.size() + 1);
    live_temporaries[i].owner.store(::getpid());
    return static_cast<int>(i);
  }
  return -1;
}

void delist(int slot) noexcept {
  if (slot >= 0) live_temporaries[static_cast<size_t>(slot)].owner.store(0);
}

Status failure(const char* action, const std::string& path, int error) {
  return io_error(std::string("cannot ") + action + " " + path + ": " + system_message(error));
}

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return path.substr(0, std::max<size_t>(slash, 1));
}

std::string temporary_name(const std::string& final_path) {
  static std::atomic<uint64_t> counter{0};
  uint64_t suffix = 0;
  if (::getrandom(&suffix, sizeof suffix, GRND_NONBLOCK) != sizeof suffix) suffix = ++counter;
  char tail[64];
  std::snprintf(tail, sizeof tail, ".%ld.%016llx.tmp", static_cast<long>(::getpid()),
                static_cast<unsigned long long>(suffix));
  const size_t name_at = final_path.rfind('/') + 1;  // npos + 1 == 0
  return final_path.substr(0, name_at) + final_path.substr(name_at, NAME_MAX - sizeof tail) + tail;
}

// All of bytes at offset, or the error number.
int write_all(int fd, uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const size_t chunk = std::min<size_t>(bytes.size(), size_t{1} << 30);
    const ssize_t n = ::pwrite(fd, bytes.data(), chunk, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return EIO;
    bytes = bytes.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return 0;
}

int flush(int fd) {
  while (::fsync(fd) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

// A rename is durable once its directory is. EINVAL: a file system that cannot flush directories.
int flush_directory(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno == EACCES ? 0 : errno;  // a directory that may be written but not read
  const int error = flush(fd);
  ::close(fd);
  return error == EINVAL ? 0 : error;
}

}  // namespace

Result<AtomicFile> AtomicFile::create(const std::string& final_path) {
  struct stat info;
  if (final_path.empty()) return invalid_argument("the name of the output file is empty");
  if (::stat(final_path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    return invalid_argument("cannot write " + final_path + ": it exists and is not a regular file");
  }
  if (final_path.back() == '/') return invalid_argument("cannot write " + final_path + ": it names a directory");

  AtomicFile file;
  file.final_ = final_path;
  for (int attempt = 0; attempt < 16; ++attempt) {
    file.temporary_ = temporary_name(final_path);
    if (file.temporary_.size() >= PATH_MAX) return failure("create", final_path, ENAMETOOLONG);
    file.slot_ = enlist(file.temporary_);
    if (file.slot_ < 0) return io_error("cannot create " + final_path + ": 64 output files are open already");
    file.fd_ = ::open(file.temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file.fd_ >= 0) return file;
    const int error = errno;
    delist(std::exchange(file.slot_, -1));
    if (error != EEXIST && error != EINTR) return failure("create", final_path, error);
  }
  return failure("create a temporary file beside", final_path, EEXIST);
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      slot_(std::exchange(other.slot_, -1)),
      size_(std::exchange(other.size_, 0)),
      temporary_(std::move(other.temporary_)),
      final_(std::move(other.final_)) {}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  if (this == &other) return *this;
  discard();
  fd_ = std::exchange(other.fd_, -1);
  slot_ = std::exchange(other.slot_, -1);
  size_ = std::exchange(other.size_, 0);
  temporary_ = std::move(other.temporary_);
  final_ = std::move(other.final_);
  return *this;
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  if (slot_ < 0) return;
  ::unlink(temporary_.c_str());
  delist(std::exchange(slot_, -1));
}

Status AtomicFile::append(std::span<const std::byte> bytes) {
  if (fd_ < 0) return internal_error("append to " + final_ + " after it was closed");
  if (const int error = write_all(fd_, size_, bytes); error != 0) return failure("write", final_, error);
  size_ += bytes.size();
  return {};
}

Status AtomicFile::write_at(uint64_t offset, std::span<const std::byte> bytes) {
  if (fd_ < 0) return internal_error("write to " + final_ + " after it was closed");
  if (offset > size_ || bytes.size() > size_ - offset) {
    return internal_error("write_at past the " + std::to_string(size_) + " bytes appended to " + final_);
  }
  if (const int error = write_all(fd_, offset, bytes); error != 0) return failure("write", final_, error);
  return {};
}

Status AtomicFile::pad_to(uint64_t offset) {
  static constexpr std::byte zeros[65536] = {};
  if (offset < size_) {
    return internal_error("cannot pad " + final_ + " to " + std::to_string(offset) + ": it has " +
                          std::to_string(size_) + " bytes");
  }
  while (size_ < offset) TERN_TRY(append({zeros, std::min<uint64_t>(offset - size_, sizeof zeros)}));
  return {};
}

Status AtomicFile::commit() {
  if (fd_ < 0) return internal_error("commit of " + final_ + " after it was closed");
  int error = flush(fd_);
  if (::close(std::exchange(fd_, -1)) != 0 && error == 0 && errno != EINTR) error = errno;
  if (error == 0 && ::rename(temporary_.c_str(), final_.c_str()) != 0) error = errno;
  if (error != 0) {
    discard();
    return failure("write", final_, error);
  }
  delist(std::exchange(slot_, -1));
  if (error = flush_directory(directory_of(final_)); error != 0)
    return failure("flush the directory of", final_, error);
  return {};
}

void AtomicFile::remove_all_temporaries() noexcept {
  const int saved = errno;
  const pid_t self = ::getpid();
  for (LiveTemporary& temporary : live_temporaries) {
    if (temporary.owner.load() == self) ::unlink(temporary.name);
  }
  errno = saved;
}

}  // namespace tern
