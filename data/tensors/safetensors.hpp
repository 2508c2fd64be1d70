#pragma once
/// \file
/// safetensors: named tensors in a file that every framework reads and that cannot run code.
///
/// Format (huggingface.co/docs/safetensors, and the reference implementation, safetensors/src/tensor.rs): 8 bytes with
/// the header's size N, little-endian; N bytes of JSON, `{"name": {"dtype": "F32", "shape": [2, 3], "data_offsets":
/// [0, 24]}, ..., "__metadata__": {"key": "text"}}`, padded with spaces; then the tensors' bytes, little-endian and
/// row-major, which the offsets tile without holes.

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../files/mapped_file.hpp"
#include "dtype.hpp"
#include "plain_tensor.hpp"

namespace unroll {

/// A tensor whose bytes lie somewhere else: in a mapped file, or wherever the writer is to take them from.
struct TensorView {
  std::string name;
  DType dtype = DType::f32;
  std::vector<Index> shape;
  std::span<const std::byte> bytes;  ///< little-endian, row-major; of any alignment

  Index size() const;  ///< number of elements
};

/// Strings beside the tensors, `__metadata__` of the file. PyTorch's and Keras' users write {"format": "pt"}.
using Metadata = std::map<std::string, std::string>;

/// A safetensors file, open and checked; tensors are read from it when asked for.
///
/// The constructor throws FileError, naming file and tensor, unless: the header's size is at most 100,000,000 and
/// within the file; the header is one JSON object in UTF-8 that begins with `{` and ends in spaces at most; no name is
/// there twice; `__metadata__` is an object of strings; every tensor has a known dtype, a shape of whole numbers, and
/// two offsets; dtype times shape is its number of bytes, computed without overflow; and the tensors tile the rest of
/// the file, without overlap, hole or rest. Only what the file's own size pays for is allocated, and deep nesting is
/// refused without recursion. Old writers did not align tensors: those files are read all the same.
class SafetensorsFile {
 public:
  static constexpr std::size_t max_header = 100'000'000;

  /// Maps the file.
  explicit SafetensorsFile(const std::string& path);
  /// The same over bytes that are somewhere else and stay there; `name` is for the messages.
  SafetensorsFile(std::span<const std::byte> bytes, std::string name);

  /// All tensors, sorted by name. Their bytes live as long as this object.
  std::span<const TensorView> tensors() const { return tensors_; }
  const Metadata& metadata() const { return metadata_; }
  /// The tensor of that name, or nullptr.
  const TensorView* find(std::string_view name) const;

  /// The tensor of that name as float, double, or exactly its own integer type: see `readable_as`. Throws FileError
  /// when it is not there or of another kind.
  template <class T>
  PlainTensor<T> read(std::string_view name) const;
  /// All tensors as T.
  template <class T>
  StateDict<T> read_all() const;

  const std::string& name() const { return name_; }

 private:
  void parse(std::span<const std::byte> bytes);

  std::string name_;
  MappedFile file_;
  std::vector<TensorView> tensors_;
  Metadata metadata_;
};

/// All tensors of a file, as float or double. Throws FileError as SafetensorsFile does.
template <class T>
UNROLL_PER_ISA StateDict<T> read_safetensors(const std::string& path) {
  return SafetensorsFile(path).read_all<T>();
}

/// Writes a file whole or not at all (AtomicFile). The header is padded with spaces to 8 bytes, and tensors are sorted
/// by element size, wide ones first, then by name, so that each is aligned and the same tensors give the same bytes.
/// Throws ValueError on a name that is there twice or is `__metadata__` or not UTF-8, ShapeError when bytes and shape
/// differ, FileError when the file cannot be written.
void write_safetensors(const std::string& path, std::span<const TensorView> tensors, const Metadata& metadata = {});
/// The same from tensors by name, as elements of `dtype` (F64, F32, F16 or BF16; rounded to nearest where it is
/// narrower).
template <class T>
void write_safetensors(const std::string& path, const StateDict<T>& tensors, const Metadata& metadata = {},
                       DType dtype = dtype_of<T>());

namespace detail {
/// Bytes of a tensor of this type and shape, or -1 when that overflows or is no whole number of bytes.
std::int64_t tensor_bytes(DType dtype, std::span<const Index> shape);
/// The elements of a view as T; throws FileError, with `where` in front, when they are of another kind.
template <class T>
PlainTensor<T> read_view(const std::string& where, const TensorView& view);
}  // namespace detail

}  // namespace unroll
