#pragma once
/// \file
/// A file seen as memory.

#include <cstddef>
#include <span>
#include <string>

namespace unroll {

/// The bytes of a regular file, mapped read-only: what is not looked at is not read. Throws FileError.
///
/// A file that is replaced by rename (AtomicFile) stays readable through a mapping made before; one that somebody cuts
/// short while it is mapped ends the program with SIGBUS, as with any mapping.
class MappedFile {
 public:
  MappedFile() = default;  ///< nothing
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace unroll
