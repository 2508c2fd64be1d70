#pragma once
/// \file
/// NumPy's array files: .npy, one array, and .npz, a zip file of them.
///
/// Format: numpy.org/doc/stable/reference/generated/numpy.lib.format.html, versions 1.0 to 3.0. "\x93NUMPY", two bytes
/// of version, the header's size in 2 (version 1) or 4 bytes, the header `{'descr': '<f4', 'fortran_order': False,
/// 'shape': (2, 3), }`, and the elements.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dtype.hpp"
#include "plain_tensor.hpp"

namespace unroll {

/// The array of a .npy file as T: float or double from little-endian f2, f4 or f8, an integer from exactly its own
/// type, std::uint8_t also from bool. An array in Fortran's order comes out row-major. Throws FileError, naming the
/// file, on any other type (big-endian, complex, records, objects) and whatever is not the format: a header that is not
/// as above, a size that overflows or is not that of the file.
template <class T>
PlainTensor<T> read_npy(const std::string& path);
/// Writes an array whole or not at all (AtomicFile): version 1.0 (2.0 for a header that needs it), in C order, elements
/// aligned to 64 bytes, as numpy.save does. Throws ShapeError when values and shape differ, FileError.
template <class T>
void write_npy(const std::string& path, const PlainTensor<T>& array);

/// A .npz file, open: arrays by name (`x` for the member `x.npy`), stored or deflated, read when asked for. Throws
/// FileError on anything that is no such file; a member is unpacked piece by piece, so that one which claims to be
/// large and is not costs nothing. Needs libzip when the library is built (UNROLL_ZIP); otherwise FileError says so.
/// One object is for one thread at a time.
class NpzFile {
 public:
  explicit NpzFile(const std::string& path);
  ~NpzFile();
  NpzFile(NpzFile&&) noexcept;
  NpzFile& operator=(NpzFile&&) noexcept;

  /// Sorted.
  const std::vector<std::string>& names() const;
  /// As read_npy.
  template <class T>
  PlainTensor<T> read(std::string_view name) const;

 private:
  struct Zip;
  std::vector<std::byte> unpacked(std::string_view name) const;

  std::unique_ptr<Zip> zip_;
};

/// All arrays of a .npz file as T.
template <class T>
StateDict<T> read_npz(const std::string& path);

struct NpzOptions {
  bool compress = true;  ///< deflated, as numpy.savez_compressed; false: stored, as numpy.savez
};

/// Writes arrays as a .npz file, whole or not at all (AtomicFile); the same arrays give the same bytes. Throws
/// FileError.
template <class T>
void write_npz(const std::string& path, const StateDict<T>& arrays, NpzOptions options = {});

}  // namespace unroll
