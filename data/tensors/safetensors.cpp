#include "safetensors.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "../../core/error.hpp"
#include "../files/atomic_file.hpp"
#include "element_types_detail.hpp"
#include "safetensors_header_detail.hpp"

namespace unroll {
namespace detail {

std::int64_t tensor_bytes(DType dtype, std::span<const Index> shape) {
  std::int64_t bits = dtype_bits(dtype);
  for (const Index d : shape)
    if (d < 0 || __builtin_mul_overflow(bits, d, &bits)) return -1;
  return bits % 8 == 0 ? bits / 8 : -1;
}

template <class T>
PlainTensor<T> read_view(const std::string& where, const TensorView& view) {
  if (!readable_as<T>(view.dtype))
    throw FileError(where, "tensor '", view.name, "' is ", dtype_name(view.dtype), "; expected ",
                    std::is_floating_point_v<T> ? "F64, F32, F16 or BF16" : std::string(dtype_name(dtype_of<T>())));
  PlainTensor<T> tensor{view.shape, std::vector<T>(view.size())};
  elements_from_bytes<T>(view.dtype, view.bytes, tensor.values);
  return tensor;
}

}  // namespace detail

Index TensorView::size() const {
  Index n = 1;
  for (const Index d : shape) n *= d;
  return n;
}

SafetensorsFile::SafetensorsFile(const std::string& path) : name_(path), file_(path) { parse(file_.bytes()); }

SafetensorsFile::SafetensorsFile(std::span<const std::byte> bytes, std::string name) : name_(std::move(name)) {
  parse(bytes);
}

void SafetensorsFile::parse(std::span<const std::byte> bytes) {
  const std::string where = "[safetensors] " + name_ + ": ";
  const auto refuse = [&](const auto&... why) { throw FileError(where, why...); };
  if (bytes.size() < 8) refuse(bytes.size(), " bytes; the size of the header alone takes 8");
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, bytes.data(), 8);
  if (header_size > max_header) refuse("header of ", header_size, " bytes; expected at most ", max_header);
  if (header_size > bytes.size() - 8) refuse("header of ", header_size, " bytes in a file of ", bytes.size());
  const std::string_view json(reinterpret_cast<const char*>(bytes.data()) + 8, static_cast<std::size_t>(header_size));
  auto header = detail::parse_safetensors_header(json, where);
  metadata_ = std::move(header.metadata);
  const auto data = bytes.subspan(8 + static_cast<std::size_t>(header_size));

  for (auto& [name, entry] : header.tensors) {
    const std::string tensor = "tensor '" + name + "'";
    const auto dtype = dtype_of_name(entry.dtype);
    if (!dtype) refuse(tensor, " is of an unknown dtype, '", entry.dtype, "'");
    if (entry.offsets.size() != 2) refuse(tensor, " has ", entry.offsets.size(), " data_offsets");
    const std::uint64_t begin = entry.offsets[0], end = entry.offsets[1];
    if (begin > end || end > data.size())
      refuse(tensor, " lies at ", begin, " .. ", end, " of ", data.size(), " bytes");
    std::vector<Index> shape;
    for (const std::uint64_t d : entry.shape) {
      if (d > static_cast<std::uint64_t>(std::numeric_limits<Index>::max())) refuse(tensor, " has a dimension of ", d);
      shape.push_back(d);
    }
    const std::int64_t expected = detail::tensor_bytes(*dtype, shape);
    if (expected < 0 || static_cast<std::uint64_t>(expected) != end - begin)
      refuse(tensor, " has ", end - begin, " bytes; ", entry.dtype, " of shape ", detail::shape_text(shape), " takes ",
             expected < 0 ? "more than can be counted, or no whole number" : std::to_string(expected));
    tensors_.push_back({name, *dtype, std::move(shape), data.subspan(begin, end - begin)});
  }

  // Sorted by place, each begins where the one before ends.
  std::vector<const TensorView*> order;
  for (const TensorView& t : tensors_) order.push_back(&t);
  const auto place = [&](const TensorView* t) { return static_cast<std::size_t>(t->bytes.data() - data.data()); };
  std::ranges::sort(order, {}, [&](const TensorView* t) { return std::pair(place(t), t->bytes.size()); });
  std::size_t end = 0;
  for (const TensorView* t : order) {
    if (place(t) < end) refuse("tensor '", t->name, "' overlaps the one before it");
    if (place(t) > end) refuse(place(t) - end, " bytes before tensor '", t->name, "' belong to none");
    end += t->bytes.size();
  }
  if (end != data.size()) refuse("the last ", data.size() - end, " bytes belong to no tensor");
}

const TensorView* SafetensorsFile::find(std::string_view name) const {
  const auto place =
      std::ranges::lower_bound(tensors_, name, {}, [](const TensorView& t) { return std::string_view(t.name); });
  return place != tensors_.end() && place->name == name ? &*place : nullptr;
}

template <class T>
PlainTensor<T> SafetensorsFile::read(std::string_view name) const {
  const std::string where = "[safetensors] " + name_ + ": ";
  const TensorView* view = find(name);
  if (!view) throw FileError(where, "no tensor '", name, "' among ", tensors_.size());
  return detail::read_view<T>(where, *view);
}

template <class T>
StateDict<T> SafetensorsFile::read_all() const {
  StateDict<T> all;
  for (const TensorView& t : tensors_) all.emplace(t.name, detail::read_view<T>("[safetensors] " + name_ + ": ", t));
  return all;
}

void write_safetensors(const std::string& path, std::span<const TensorView> tensors, const Metadata& metadata) {
  std::vector<const TensorView*> order;
  for (const TensorView& t : tensors) {
    if (t.name == "__metadata__") throw ValueError("[write_safetensors] a tensor cannot be named '__metadata__'");
    if (detail::tensor_bytes(t.dtype, t.shape) != static_cast<std::int64_t>(t.bytes.size()))
      throw ShapeError("[write_safetensors] tensor '", t.name, "' has ", t.bytes.size(), " bytes; expected those of ",
                       dtype_name(t.dtype), " and shape ", detail::shape_text(t.shape));
    order.push_back(&t);
  }
  std::ranges::sort(order, {}, &TensorView::name);
  if (const auto same = std::ranges::adjacent_find(order, {}, &TensorView::name); same != order.end())
    throw ValueError("[write_safetensors] tensor '", (*same)->name, "' is there twice");
  std::ranges::stable_sort(order, std::greater<>{}, [](const TensorView* t) { return dtype_bits(t->dtype); });

  std::string header = detail::safetensors_header_text(order, metadata);
  header.resize((header.size() + 7) / 8 * 8, ' ');
  if (header.size() > SafetensorsFile::max_header)
    throw ValueError("[write_safetensors] ", path, ": the header takes ", header.size(), " bytes; the format allows ",
                     SafetensorsFile::max_header);
  const std::uint64_t size = header.size();
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(&size, 1)));
  file.write(header);
  for (const TensorView* t : order) file.write(t->bytes);
  file.commit();
}

template <class T>
void write_safetensors(const std::string& path, const StateDict<T>& tensors, const Metadata& metadata, DType dtype) {
  std::vector<TensorView> views;
  std::vector<std::vector<std::byte>> converted;
  converted.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors) {
    detail::check_plain<T>("write_safetensors: '" + name + "'", tensor, tensor.shape);
    auto bytes = std::as_bytes(std::span(tensor.values));
    if (dtype != dtype_of<T>()) bytes = converted.emplace_back(elements_to_bytes<T>(dtype, tensor.values));
    views.push_back({name, dtype, tensor.shape, bytes});
  }
  write_safetensors(path, views, metadata);
}

#define UNROLL_INSTANTIATE(T)                                                          \
  template PlainTensor<T> detail::read_view<T>(const std::string&, const TensorView&); \
  template PlainTensor<T> SafetensorsFile::read<T>(std::string_view) const;            \
  template StateDict<T> SafetensorsFile::read_all<T>() const;
UNROLL_FOR_EACH_ELEMENT_TYPE(UNROLL_INSTANTIATE)
#undef UNROLL_INSTANTIATE
template void write_safetensors<float>(const std::string&, const StateDict<float>&, const Metadata&, DType);
template void write_safetensors<double>(const std::string&, const StateDict<double>&, const Metadata&, DType);

}  // namespace unroll
