#pragma once
/// \file
/// Files that appear whole or not at all.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace unroll {

/// Writes a file beside its final name and renames it when all of it is on the disk. A reader finds the old file or the
/// new one, never half of one, also after a crash or a cut of power.
///
/// The temporary file is `<path>.<process id>-<number>.tmp`, in the same folder because a rename is atomic within one
/// file system only. A process that is killed may leave one, which `remove_abandoned` knows by its missing lock (flock).
/// `commit()` does write -> fsync(file) -> rename -> fsync(folder) (Pillai et al., "All file systems are not created
/// equal", OSDI 2014, say why each is needed). An existing file's permissions are kept; a symbolic link of that name is
/// replaced, not followed. Throws FileError.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  /// Without commit(), the temporary file is removed and the old one stays.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view bytes) { write(std::as_bytes(std::span(bytes.data(), bytes.size()))); }
  void commit();

  const std::string& temporary_path() const { return temporary_; }

 private:
  [[noreturn]] void fail(const char* what) const;

  std::string path_, temporary_;
  int file_ = -1;
};

/// Removes a temporary file unless a living process is writing it. True when it did.
bool remove_abandoned(const std::string& temporary);

/// Writes a file as AtomicFile does, in one call.
void atomic_write(const std::string& path, std::span<const std::byte> bytes);
void atomic_write(const std::string& path, std::string_view bytes);

}  // namespace unroll
