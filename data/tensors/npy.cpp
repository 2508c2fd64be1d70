#include "npy.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "../../core/error.hpp"
#include "../files/atomic_file.hpp"
#include "../files/mapped_file.hpp"
#include "element_types_detail.hpp"
#include "npy_detail.hpp"
#include "safetensors.hpp"

namespace unroll {
namespace {

constexpr std::string_view magic = "\x93NUMPY";

struct Type {
  std::string_view descr;
  DType dtype;
};
constexpr Type types[] = {{"<f2", DType::f16}, {"<f4", DType::f32}, {"<f8", DType::f64}, {"|i1", DType::i8},
                          {"<i2", DType::i16}, {"<i4", DType::i32}, {"<i8", DType::i64}, {"|u1", DType::u8},
                          {"<u2", DType::u16}, {"<u4", DType::u32}, {"<u8", DType::u64}, {"|b1", DType::boolean}};

struct Header {
  DType dtype = DType::f32;
  bool fortran_order = false;
  std::vector<Index> shape;
};

// The header is the text of a Python dictionary; of that language this reads strings, truth values and tuples of whole
// numbers, which is all that numpy writes for plain types.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  Header parse() {
    Header header;
    std::string_view descr;
    bool has_descr = false, has_order = false, has_shape = false;
    const auto once = [&](bool& has, std::string_view key) {
      if (has) refuse("'", key, "' is there twice");
      has = true;
    };
    expect('{');
    while (!accept('}')) {
      const std::string_view key = string();
      expect(':');
      if (key == "descr") {
        once(has_descr, key);
        if (peek() == '[') refuse("is of records; expected one plain type, '<f4' or '<f8'");
        descr = string();
      } else if (key == "fortran_order") {
        once(has_order, key);
        header.fortran_order = truth();
      } else if (key == "shape") {
        once(has_shape, key);
        header.shape = tuple();
      } else {
        refuse("has the unknown key '", key, "'");
      }
      if (!accept(',') && peek() != '}') refuse_here("',' or '}'");
    }
    skip_space();
    if (at_ != text_.size()) refuse_here("the end");
    if (!has_descr || !has_order || !has_shape) refuse("lacks descr, fortran_order or shape");
    std::string type(descr);
    if (type.size() == 3 && type[0] == '=') type[0] = '<';
    const auto known = std::ranges::find(types, type, &Type::descr);
    if (known == std::end(types))
      refuse("says elements of type '", descr,
             "'; expected '<f2', '<f4', '<f8', '|b1' or a little-endian integer (numpy: x.astype('<f4'))");
    header.dtype = known->dtype;
    return header;
  }

 private:
  [[noreturn]] void refuse(const auto&... why) const { throw FileError(where_, "header ", why...); }
  [[noreturn]] void refuse_here(const auto&... expected) const {
    refuse("has no ", expected..., " at character ", at_ + 1);
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  char peek() {
    skip_space();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool accept(char c) {
    if (peek() != c || at_ == text_.size()) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) refuse_here("'", c, "'");
  }
  std::string_view string() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') refuse_here("string");
    const auto end = text_.find(quote, at_ + 1);
    if (end == text_.npos) refuse_here("end of the string");
    const auto result = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return result;
  }
  bool truth() {
    skip_space();
    for (const bool value : {true, false}) {
      const std::string_view word = value ? "True" : "False";
      if (!text_.substr(at_).starts_with(word)) continue;
      at_ += word.size();
      return value;
    }
    refuse_here("True or False");
  }
  std::vector<Index> tuple() {
    std::vector<Index> shape;
    expect('(');
    while (!accept(')')) {
      shape.push_back(number());
      // One number in parentheses is no tuple in Python without its comma.
      if (!accept(',') && (shape.size() == 1 || peek() != ')')) refuse_here("','");
    }
    return shape;
  }
  Index number() {
    skip_space();
    const auto begin = at_;
    Index n = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_)
      if (__builtin_mul_overflow(n, Index{10}, &n) || __builtin_add_overflow(n, Index{text_[at_] - '0'}, &n))
        refuse("has a dimension that is too large");
    if (at_ == begin) refuse_here("whole number");
    if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // Python 2's long
    return n;
  }

  std::string_view text_;
  const std::string& where_;
  std::size_t at_ = 0;
};

template <class T>
void to_row_major(PlainTensor<T>& tensor) {
  const auto rank = tensor.shape.size();
  if (rank < 2 || tensor.values.empty()) return;
  std::vector<T> result(tensor.values.size());
  std::vector<std::size_t> index(rank, 0), stride(rank);
  for (std::size_t i = 0, n = 1; i < rank; n *= static_cast<std::size_t>(tensor.shape[i++])) stride[i] = n;
  std::size_t from = 0;
  for (T& x : result) {
    x = tensor.values[from];
    for (std::size_t i = rank; i-- > 0;) {
      from += stride[i];
      if (++index[i] < static_cast<std::size_t>(tensor.shape[i])) break;
      from -= stride[i] * index[i];
      index[i] = 0;
    }
  }
  tensor.values = std::move(result);
}

}  // namespace

namespace detail {

template <class T>
PlainTensor<T> npy_from_bytes(const std::string& where, std::span<const std::byte> bytes) {
  const auto refuse = [&](const auto&... why) { throw FileError(where, why...); };
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (bytes.size() < 10 || !text.starts_with(magic)) refuse("does not begin as a .npy file");
  const int version = static_cast<unsigned char>(text[6]);
  if (version < 1 || version > 3 || text[7] != 0)
    refuse("is of version ", version, ".", static_cast<unsigned char>(text[7]), "; expected 1.0, 2.0 or 3.0");
  const std::size_t begin = version == 1 ? 10 : 12;
  std::uint32_t size = 0;
  if (bytes.size() < begin) refuse("ends within its header");
  std::memcpy(&size, bytes.data() + 8, begin - 8);
  if (size > bytes.size() - begin) refuse("has a header of ", size, " bytes in a file of ", bytes.size());
  const Header header = HeaderParser(text.substr(begin, size), where).parse();

  const TensorView view{"", header.dtype, header.shape, bytes.subspan(begin + size)};
  const std::int64_t expected = tensor_bytes(view.dtype, view.shape);
  if (expected < 0 || static_cast<std::uint64_t>(expected) != view.bytes.size())
    refuse("has ", view.bytes.size(), " bytes of elements; ", dtype_name(view.dtype), " of shape ",
           shape_text(view.shape), " takes ", expected < 0 ? "more than can be counted" : std::to_string(expected));
  if (!readable_as<T>(view.dtype))
    refuse("is of ", dtype_name(view.dtype), "; expected ",
           std::is_floating_point_v<T> ? "F16, F32 or F64" : std::string(dtype_name(dtype_of<T>())));
  PlainTensor<T> array{view.shape, std::vector<T>(view.size())};
  elements_from_bytes<T>(view.dtype, view.bytes, array.values);
  if (header.fortran_order) to_row_major(array);
  return array;
}

std::string npy_header(DType dtype, std::span<const Index> shape) {
  const auto type = std::ranges::find(types, dtype, &Type::dtype);
  std::string dict = "{'descr': '" + std::string(type->descr) + "', 'fortran_order': False, 'shape': (";
  for (std::size_t i = 0; i < shape.size(); ++i) dict += (i ? ", " : "") + std::to_string(shape[i]);
  dict += shape.size() == 1 ? ",), }" : "), }";
  const auto padded = [&](std::size_t begin) {  // with its line end to 64 bytes, magic, version and size included
    return (begin + dict.size() + 1 + 63) / 64 * 64 - begin;
  };
  const bool small = padded(10) <= std::numeric_limits<std::uint16_t>::max();
  const std::size_t begin = small ? 10 : 12, size = padded(begin);
  dict.resize(size - 1, ' ');
  std::string out(magic);
  out += small ? '\1' : '\2';
  out += '\0';
  for (std::size_t i = 0; i < begin - 8; ++i) out += static_cast<char>(size >> (8 * i) & 255);
  return out + dict + "\n";
}

}  // namespace detail

template <class T>
PlainTensor<T> read_npy(const std::string& path) {
  return detail::npy_from_bytes<T>("[npy] " + path + ": ", MappedFile(path).bytes());
}

template <class T>
void write_npy(const std::string& path, const PlainTensor<T>& array) {
  detail::check_plain<T>("write_npy", array, array.shape);
  AtomicFile file(path);
  file.write(detail::npy_header(dtype_of<T>(), array.shape));
  file.write(std::as_bytes(std::span(array.values)));
  file.commit();
}

#define UNROLL_INSTANTIATE(T)                                                                        \
  template PlainTensor<T> detail::npy_from_bytes<T>(const std::string&, std::span<const std::byte>); \
  template PlainTensor<T> read_npy<T>(const std::string&);                                           \
  template void write_npy<T>(const std::string&, const PlainTensor<T>&);
UNROLL_FOR_EACH_ELEMENT_TYPE(UNROLL_INSTANTIATE)
#undef UNROLL_INSTANTIATE

}  // namespace unroll
