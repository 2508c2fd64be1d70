#include "mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "../../core/error.hpp"

namespace unroll {

MappedFile::MappedFile(const std::string& path) {
  // Non-blocking, so that the name of a pipe is an error and no wait.
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  const auto fail = [&](const auto&... why) {
    if (file >= 0) ::close(file);
    throw FileError("[read] ", path, ": ", why...);
  };
  if (file < 0) fail("cannot be opened: ", std::strerror(errno));
  struct stat info {};
  if (::fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) fail("is no regular file");
  size_ = static_cast<std::size_t>(info.st_size);
  if (size_ > 0) {  // a mapping of nothing is an error
    void* p = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
    if (p == MAP_FAILED) fail("cannot be mapped: ", std::strerror(errno));
    data_ = static_cast<const std::byte*>(p);
  }
  ::close(file);
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace unroll
