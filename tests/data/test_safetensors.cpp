// safetensors: every rule of the header, conversions, and bytes that the format's own library would write.

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "temporary_folder.hpp"
#include "unroll/core/error.hpp"
#include "unroll/data/files/atomic_file.hpp"
#include "unroll/data/tensors/safetensors.hpp"

using namespace unroll;

namespace {

std::string file_of(const std::string& header, const std::string& data) {
  const std::uint64_t n = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &n, 8);
  return bytes + header + data;
}

std::span<const std::byte> view(const std::string& bytes) { return std::as_bytes(std::span(bytes)); }

SafetensorsFile parse(const std::string& bytes) { return SafetensorsFile(view(bytes), "x"); }

/// The message of the error that a file of this header and this many bytes of data gives, without its beginning.
std::string error_of(const std::string& header, std::size_t data = 0) {
  try {
    const std::string bytes = file_of(header, std::string(data, '\0'));
    SafetensorsFile(view(bytes), "x");
  } catch (const FileError& e) {
    const std::string text = e.what(), begin = "[safetensors] x: ";
    REQUIRE(text.starts_with(begin));
    return text.substr(begin.size());
  }
  return "no error";
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}

}  // namespace

TEST_CASE("a file as the safetensors library writes it") {
  // save_file({"b": torch.tensor([[1., 2.]]), "a": torch.tensor(3, dtype=torch.int64), "e": torch.zeros(0, 4)},
  //           metadata={"format": "pt"}): wide types first, then by name; the header padded to 8 bytes.
  std::string header = R"({"__metadata__":{"format":"pt"},"a":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
                       R"("b":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]},)"
                       R"("e":{"dtype":"F32","shape":[0,4],"data_offsets":[16,16]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::int64_t a = 3;
  const float b[] = {1, 2};
  std::string data(16, '\0');
  std::memcpy(data.data(), &a, 8);
  std::memcpy(data.data() + 8, b, 8);
  const std::string bytes = file_of(header, data);

  const SafetensorsFile file = parse(bytes);
  REQUIRE(file.tensors().size() == 3);
  CHECK(file.metadata() == Metadata{{"format", "pt"}});
  CHECK(file.read<float>("b") == PlainTensor<float>{{1, 2}, {1, 2}});
  CHECK(file.read<double>("b") == PlainTensor<double>{{1, 2}, {1, 2}});
  CHECK(file.read<std::int64_t>("a") == PlainTensor<std::int64_t>{{}, {3}});
  CHECK(file.read<float>("e") == PlainTensor<float>{{0, 4}, {}});
  CHECK(file.find("c") == nullptr);
  CHECK_THROWS_WITH_AS(file.read<float>("c"), "[safetensors] x: no tensor 'c' among 3", FileError);
  CHECK_THROWS_WITH_AS(file.read<float>("a"), "[safetensors] x: tensor 'a' is I64; expected F64, F32, F16 or BF16",
                       FileError);
  CHECK_THROWS_WITH_AS(file.read<std::int32_t>("a"), "[safetensors] x: tensor 'a' is I64; expected I32", FileError);
  CHECK_THROWS_AS(file.read<std::int32_t>("b"), FileError);

  // Our writer gives these very bytes.
  const TemporaryFolder folder;
  const std::string path = folder.file("m.safetensors");
  const std::vector<TensorView> views(file.tensors().begin(), file.tensors().end());
  write_safetensors(path, views, file.metadata());
  CHECK(file_bytes(path) == bytes);
  CHECK(folder.count() == 1);
}

TEST_CASE("what a header must be") {
  const std::string good = entry("a", "F32", "[2]", "[0,8]");
  CHECK(error_of("{" + good + "}", 8) == "no error");
  CHECK(error_of("{" + good + "}     ", 8) == "no error");
  CHECK(error_of("{}") == "no error");
  CHECK(error_of("{" + entry("a", "F32", "[2]", "[0,8]").insert(5, "\"later\":[[{\"x\":[1.5,null]}],-1],") + "}", 8) ==
        "no error");  // a field of a later version

  CHECK(error_of("") == "header does not begin with '{'");
  CHECK(error_of(" {}") == "header does not begin with '{'");
  CHECK(error_of("\xEF\xBB\xBF{}") == "header does not begin with '{'");
  CHECK(error_of("[]") == "header does not begin with '{'");
  CHECK(error_of("{").starts_with("header is no valid JSON at byte 2"));
  CHECK(error_of("{}x").starts_with("header is no valid JSON at byte 3"));
  CHECK(error_of(std::string("{}\0x", 4)) == "header is no valid JSON at byte 3: a zero byte");
  CHECK(error_of("{\"\xff\":1}").starts_with("header is no valid JSON at byte 3"));
  CHECK(error_of("{\"a\":1}") == "header tensor 'a' is a number; expected an object");
  CHECK(error_of("{\"a\":null}") == "header tensor 'a' is null; expected an object");
  CHECK(error_of("{\"a\":[]}") == "header tensor 'a' is an array; expected an object");
  CHECK(error_of("{\"a\":{}}") == "header tensor 'a' lacks dtype, shape or data_offsets");
  CHECK(error_of("{" + good + "," + good + "}", 8) == "header tensor 'a' is there twice");
  const std::string escaped = entry("\\u0061", "F32", "[2]", "[8,16]");  // another spelling of the same name
  CHECK(error_of("{" + good + "," + escaped + "}", 16) == "header tensor 'a' is there twice");
  CHECK(error_of("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}") == "header tensor 'a' has 'dtype' twice");
  CHECK(error_of("{\"a\":{\"dtype\":3}}") == "header tensor 'a': 'dtype' is or holds a number; expected a string");
  for (const char* shape : {"[-1]", "[1.5]", "[\"2\"]", "[[2]]", "[{}]", "[null]", "[true]", "2", "{}", "[1e3]"}) {
    CAPTURE(shape);
    const std::string error = error_of("{" + entry("a", "F32", shape, "[0,8]") + "}", 8);
    CHECK(error.starts_with("header tensor 'a': 'shape' is or holds "));
    CHECK(error.ends_with("; expected an array of whole numbers"));
  }
  CHECK(error_of("{\"__metadata__\":1}") == "header '__metadata__' is a number; expected an object");
  CHECK(error_of("{\"__metadata__\":{\"a\":1}}") == "header metadata is a number; expected a string");
  CHECK(error_of("{\"__metadata__\":{\"a\":{}}}") == "header metadata is an object; expected a string");
  CHECK(error_of("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}") == "header metadata 'a' is there twice");
  CHECK(error_of("{\"__metadata__\":{},\"__metadata__\":{}}") == "header '__metadata__' is there twice");
  CHECK(error_of("{" + entry("a", "F31", "[2]", "[0,8]") + "}", 8) == "tensor 'a' is of an unknown dtype, 'F31'");
}

TEST_CASE("where tensors must lie") {
  const auto one = [](const char* dtype, const char* shape, const char* offsets, std::size_t data) {
    return error_of("{" + entry("a", dtype, shape, offsets) + "}", data);
  };
  CHECK(one("F32", "[2]", "[0]", 8) == "tensor 'a' has 1 data_offsets");
  CHECK(one("F32", "[2]", "[0,8,8]", 8) == "tensor 'a' has 3 data_offsets");
  CHECK(one("F32", "[2]", "[8,0]", 8) == "tensor 'a' lies at 8 .. 0 of 8 bytes");
  CHECK(one("F32", "[2]", "[0,8]", 7) == "tensor 'a' lies at 0 .. 8 of 7 bytes");
  CHECK(one("F32", "[2]", "[0,18446744073709551615]", 8) == "tensor 'a' lies at 0 .. 18446744073709551615 of 8 bytes");
  CHECK(one("F32", "[3]", "[0,8]", 8) == "tensor 'a' has 8 bytes; F32 of shape (3) takes 12");
  CHECK(one("F64", "[2]", "[0,8]", 8) == "tensor 'a' has 8 bytes; F64 of shape (2) takes 16");
  CHECK(one("F32", "[4611686018427387904,4]", "[0,0]", 0) ==
        "tensor 'a' has 0 bytes; F32 of shape (4611686018427387904,4) takes more than can be counted, or no whole "
        "number");
  CHECK(one("F32", "[4294967296,4294967296,0]", "[0,0]", 0).ends_with("or no whole number"));
  CHECK(one("F32", "[18446744073709551615]", "[0,8]", 8) == "tensor 'a' has a dimension of 18446744073709551615");
  CHECK(one("F4", "[3]", "[0,1]", 1).ends_with("or no whole number"));
  CHECK(one("F4", "[4]", "[0,2]", 2) == "no error");
  CHECK(one("F32", "[2]", "[4,12]", 12) == "4 bytes before tensor 'a' belong to none");
  CHECK(one("F32", "[2]", "[0,8]", 12) == "the last 4 bytes belong to no tensor");
  CHECK(error_of("{}", 1) == "the last 1 bytes belong to no tensor");

  const auto two = [](const char* a, const char* b, std::size_t data) {
    return error_of("{" + entry("a", "F32", "[2]", a) + "," + entry("b", "F32", "[2]", b) + "}", data);
  };
  CHECK(two("[0,8]", "[8,16]", 16) == "no error");
  CHECK(two("[8,16]", "[0,8]", 16) == "no error");
  CHECK(two("[0,8]", "[4,12]", 12) == "tensor 'b' overlaps the one before it");
  CHECK(two("[0,8]", "[0,8]", 8) == "tensor 'b' overlaps the one before it");
  CHECK(two("[0,8]", "[12,20]", 20) == "4 bytes before tensor 'b' belong to none");
}

TEST_CASE("sizes of file and header") {
  CHECK_THROWS_WITH_AS(parse(""), "[safetensors] x: 0 bytes; the size of the header alone takes 8", FileError);
  CHECK_THROWS_WITH_AS(parse("1234567"), "[safetensors] x: 7 bytes; the size of the header alone takes 8", FileError);
  const std::string cut = file_of("{}", "").substr(0, 9);
  CHECK_THROWS_WITH_AS(parse(cut), "[safetensors] x: header of 2 bytes in a file of 9", FileError);
  CHECK_THROWS_WITH_AS(parse(std::string(8, '\xff')),
                       "[safetensors] x: header of 18446744073709551615 bytes; expected at most 100000000", FileError);
  std::string large = file_of("{}", "");
  const std::uint64_t n = 100'000'001;
  std::memcpy(large.data(), &n, 8);
  CHECK_THROWS_WITH_AS(parse(large), "[safetensors] x: header of 100000001 bytes; expected at most 100000000",
                       FileError);
  const TemporaryFolder folder;
  CHECK_THROWS_AS(SafetensorsFile(folder.file("none")), FileError);
  CHECK_THROWS_AS(SafetensorsFile(folder.file("")), FileError);  // a folder
}

TEST_CASE("nesting a million deep is an error and no crash") {
  for (const char* brackets : {"[", "{\"a\":"}) {
    std::string deep = "{\"a\":{\"later\":";
    for (int i = 0; i < 1'000'000; ++i) deep += brackets;
    CHECK(error_of(deep).starts_with("header is no valid JSON"));
  }
}

TEST_CASE("a tensor at an odd place") {
  const float x[] = {1.5f, -2};
  std::string data(9, '\0');
  std::memcpy(data.data() + 1, x, 8);
  const std::string bytes =
      file_of("{" + entry("o", "U8", "[1]", "[0,1]") + "," + entry("x", "F32", "[2]", "[1,9]") + "}", data);
  CHECK(parse(bytes).read<float>("x").values == std::vector<float>{1.5f, -2});
}

TEST_CASE("half precision: every F16 and BF16 both ways") {
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  const auto bytes = std::as_bytes(std::span(all));
  for (const DType dtype : {DType::f16, DType::bf16}) {
    std::vector<double> x(all.size());
    std::vector<float> xf(all.size());
    elements_from_bytes<double>(dtype, bytes, x);
    elements_from_bytes<float>(dtype, bytes, xf);
    const auto back = elements_to_bytes<double>(dtype, x), back_f = elements_to_bytes<float>(dtype, xf);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      std::uint16_t b, bf;
      std::memcpy(&b, back.data() + 2 * i, 2);
      std::memcpy(&bf, back_f.data() + 2 * i, 2);
      const bool is_nan = dtype == DType::f16 ? (i & 0x7fff) > 0x7c00 : (i & 0x7fff) > 0x7f80;
      if (is_nan ? !(std::isnan(x[i]) && std::isnan(xf[i])) : b != all[i] || bf != all[i] || x[i] != double(xf[i]))
        ++wrong;
    }
    CHECK(wrong == 0);
  }
  const auto half = [](double v) {
    double r;
    elements_from_bytes<double>(DType::f16, elements_to_bytes<double>(DType::f16, std::span<const double>(&v, 1)),
                                std::span(&r, 1));
    return r;
  };
  CHECK(half(1) == 1);
  CHECK(half(-65504) == -65504);
  CHECK(half(65519.99) == 65504);
  CHECK(std::isinf(half(65520)));
  CHECK(half(0x1p-24) == 0x1p-24);
  CHECK(half(0x1p-25) == 0);          // a tie, to even
  CHECK(half(0x1.8p-24) == 0x1p-23);  // a tie, to even
  CHECK(half(1 + 0x1p-11) == 1);
  CHECK(half(1 + 0x1p-11 + 0x1p-40) == 1 + 0x1p-10);  // which two roundings, by way of float, would miss
  CHECK(half(1 + 3 * 0x1p-11) == 1 + 0x1p-9);
  const auto bfloat = [](double v) {
    double r;
    elements_from_bytes<double>(DType::bf16, elements_to_bytes<double>(DType::bf16, std::span<const double>(&v, 1)),
                                std::span(&r, 1));
    return r;
  };
  CHECK(bfloat(1 + 0x1p-8) == 1);
  CHECK(bfloat(1 + 0x1p-8 + 0x1p-40) == 1 + 0x1p-7);
  CHECK(std::isinf(bfloat(3.4e38)));
  CHECK(bfloat(-0x1p-133) == -0x1p-133);
  CHECK(std::isinf(bfloat(INFINITY)));
  CHECK(std::signbit(bfloat(-0.0)));
}

TEST_CASE("tensors by name, round trips") {
  const TemporaryFolder folder;
  const std::string path = folder.file("m.safetensors");
  const StateDict<float> tensors = {{"z", {{2, 1, 1, 1, 3}, {1, -0.0f, 3, 1e-40f, 5, INFINITY}}},
                                    {"a\"\n\xc3\xa9", {{}, {7}}},
                                    {"none", {{3, 0}, {}}}};
  write_safetensors(path, tensors, {{"k\\", "v\t"}});
  const SafetensorsFile file(path);
  CHECK(file.metadata() == Metadata{{"k\\", "v\t"}});
  CHECK(read_safetensors<float>(path) == tensors);
  std::uint64_t header = 0;
  const std::string bytes = file_bytes(path);
  std::memcpy(&header, bytes.data(), 8);
  CHECK(header % 8 == 0);
  CHECK(std::signbit(file.read<double>("z").values[1]));
  write_safetensors(path, tensors, {}, DType::bf16);
  CHECK(SafetensorsFile(path).find("z")->dtype == DType::bf16);
  CHECK(SafetensorsFile(path).read<float>("z").values[4] == 5);
  write_safetensors(path, StateDict<float>());
  CHECK(SafetensorsFile(path).tensors().empty());

  CHECK_THROWS_WITH_AS(write_safetensors(path, StateDict<float>{{"x", {{2}, {1}}}}),
                       "[write_safetensors: 'x'] 1 values for shape (2), which takes 2", ShapeError);
  CHECK_THROWS_WITH_AS(write_safetensors(path, StateDict<float>{{"__metadata__", {{}, {1}}}}),
                       "[write_safetensors] a tensor cannot be named '__metadata__'", ValueError);
  CHECK_THROWS_WITH_AS(write_safetensors(path, StateDict<float>{{"\xff", {{}, {1}}}}),
                       "[write_safetensors] a name or a metadata text is not UTF-8", ValueError);
  CHECK_THROWS_AS(write_safetensors(path, tensors, {}, DType::i64), ValueError);
  const float one = 1;
  const TensorView twice{"t", DType::f32, {}, std::as_bytes(std::span(&one, 1))};
  const TensorView views[] = {twice, twice};
  CHECK_THROWS_WITH_AS(write_safetensors(path, views), "[write_safetensors] tensor 't' is there twice", ValueError);
  CHECK(SafetensorsFile(path).tensors().empty());  // and none of these touched the file
  CHECK_THROWS_AS(write_safetensors(folder.file("no/such"), tensors), FileError);
  CHECK(folder.count() == 1);
}

TEST_CASE("wide types lie first, so that each is aligned") {
  const TemporaryFolder folder;
  const std::string path = folder.file("m.safetensors");
  const std::string bytes(64, '\0');
  const auto of = [&](const char* name, DType dtype, Index n) {
    return TensorView{name, dtype, {n}, view(bytes).first(static_cast<std::size_t>(n * dtype_bits(dtype) / 8))};
  };
  const TensorView views[] = {of("a", DType::u8, 3), of("b", DType::f64, 1), of("c", DType::f16, 1),
                              of("d", DType::f32, 1)};
  write_safetensors(path, views);
  const SafetensorsFile file(path);
  for (const TensorView& t : file.tensors())
    CHECK(reinterpret_cast<std::uintptr_t>(t.bytes.data()) % static_cast<std::size_t>(dtype_bits(t.dtype) / 8) == 0);
}

TEST_CASE("a file is written whole or not at all") {
  const TemporaryFolder folder;
  const std::string path = folder.file("f");
  put_file(path, "old");
  std::filesystem::permissions(path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  {
    AtomicFile file(path);
    file.write("new");
    CHECK(file_bytes(path) == "old");
    CHECK(folder.count() == 2);
  }
  CHECK(file_bytes(path) == "old");
  CHECK(folder.count() == 1);
  const MappedFile before(path);
  AtomicFile file(path);
  file.write("new");
  file.write(" text");
  file.commit();
  CHECK(file_bytes(path) == "new text");
  CHECK(static_cast<char>(before.bytes()[0]) == 'o');  // a mapping made before still sees the old one
  CHECK((std::filesystem::status(path).permissions() & std::filesystem::perms::all) ==
        (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  CHECK(folder.count() == 1);
  CHECK_THROWS_AS(file.commit(), FileError);
  CHECK_THROWS_AS(file.write("x"), FileError);
  CHECK_THROWS_WITH_AS(AtomicFile(folder.file("")), doctest::Contains("is no regular file"), FileError);
  atomic_write(path, "");
  CHECK(file_bytes(path).empty());
  CHECK(MappedFile(path).bytes().empty());
}
