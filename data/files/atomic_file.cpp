#include "atomic_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "../../core/error.hpp"

namespace unroll {
namespace {

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  static std::atomic<unsigned> number{0};
  struct stat old {};
  const bool replaces = ::stat(path_.c_str(), &old) == 0;
  if (replaces && !S_ISREG(old.st_mode)) throw FileError("[write] ", path_, ": exists and is no regular file");
  do {
    temporary_ = detail::text(path_, ".", ::getpid(), "-", number++, ".tmp");
    file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (file_ < 0 && errno == EEXIST);  // left by a killed process that had our number
  if (file_ < 0) fail("cannot be written");
  // Gone with the process, however that ends: a temporary file without a lock is nobody's any more.
  (void)::flock(file_, LOCK_EX | LOCK_NB);
  if (replaces && ::fchmod(file_, old.st_mode & 07777) != 0) {
    // Not the owner of the old file: then the new one has this user's own permissions.
  }
}

AtomicFile::~AtomicFile() {
  if (file_ < 0) return;
  ::close(file_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::fail(const char* what) const {
  throw FileError("[write] ", path_, ": ", what, ": ", std::strerror(errno));
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  if (file_ < 0) throw FileError("[write] ", path_, ": written after commit()");
  while (!bytes.empty()) {
    // Linux takes at most 2 GiB at once.
    const ssize_t n = ::write(file_, bytes.data(), std::min<std::size_t>(bytes.size(), std::size_t{1} << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("cannot be written");
    bytes = bytes.subspan(n);
  }
}

void AtomicFile::commit() {
  if (file_ < 0) throw FileError("[write] ", path_, ": commit() twice");
  if (::fsync(file_) != 0) fail("cannot be flushed to the disk");
  const int file = std::exchange(file_, -1);
  if (::close(file) != 0 || std::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary_.c_str());
    errno = error;
    fail("cannot be put in place");
  }
  const int folder = ::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0)
    return;  // a folder that may be written and not read: the rename is done, its moment of safety is not ours
  const int synced = ::fsync(folder);
  const int error = errno;
  ::close(folder);
  errno = error;
  if (synced != 0 && error != EINVAL && error != EROFS) fail("its folder cannot be flushed to the disk");
}

bool remove_abandoned(const std::string& temporary) {
  const int file = ::open(temporary.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool abandoned = ::flock(file, LOCK_EX | LOCK_NB) == 0;
  const bool removed = abandoned && ::unlink(temporary.c_str()) == 0;
  ::close(file);
  return removed;
}

void atomic_write(const std::string& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void atomic_write(const std::string& path, std::string_view bytes) {
  atomic_write(path, std::as_bytes(std::span(bytes.data(), bytes.size())));
}

}  // namespace unroll
