// .npy and .npz: files that numpy 1.24 wrote, headers of every kind, round trips.

#include <doctest/doctest.h>

#include <cstring>

#include "temporary_folder.hpp"
#include "unroll/core/error.hpp"
#include "unroll/data/tensors/npy.hpp"
#include "unroll/data/tensors/plain_tensor_xt.hpp"

using namespace unroll;

namespace {

std::string from_hex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) bytes += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
  return bytes;
}

/// A .npy file of version 1.0 with this dictionary.
std::string npy(const std::string& dict, const std::string& data, char version = 1) {
  std::string bytes = std::string("\x93NUMPY") + version + '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) bytes += static_cast<char>(dict.size() >> (8 * i) & 255);
  return bytes + dict + data;
}

template <class T>
std::string bytes_of(std::initializer_list<T> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T)};
}

struct Files {
  TemporaryFolder folder;
  std::string path = folder.file("x.npy");

  template <class T>
  PlainTensor<T> read(const std::string& bytes) {
    put_file(path, bytes);
    return read_npy<T>(path);
  }
  std::string error(const std::string& bytes) {
    try {
      read<float>(bytes);
    } catch (const FileError& e) {
      const std::string text = e.what(), begin = "[npy] " + path + ": ";
      REQUIRE(text.starts_with(begin));
      return text.substr(begin.size());
    }
    return "no error";
  }
};

bool without_libzip() {
  const TemporaryFolder folder;
  try {
    write_npz(folder.file("x.npz"), StateDict<float>{});
    return false;
  } catch (const FileError& e) {
    if (std::string_view(e.what()).find("has no libzip") == std::string_view::npos) throw;
    MESSAGE("this build has no libzip: .npz is not tested");
    return true;
  }
}

// numpy.save of np.asfortranarray([[1, 2, 3], [4, 5, 6.5]]).
const char* const fortran_hex =
    "934e554d5059010076007b276465736372273a20273c6638272c2027666f727472616e5f6f72646572273a20547275652c2027736861"
    "7065273a2028322c2033292c207d20202020202020202020202020202020202020202020202020202020202020202020202020202020"
    "202020202020202020202020202020202020200a000000000000f03f0000000000001040000000000000004000000000000014400000"
    "0000000008400000000000001a40";

// numpy.savez_compressed(x=[[1, 2, 3], [4, 5, 6.5]] in f4, "lstm/kernel"=two zeros in f8); members carry zip64 fields.
const char* const npz_hex =
    "504b0304140000000800000021002d8e1ce8580000009800000005001400782e6e707901001000980000000000000058000000000000"
    "009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a2aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416"
    "a402f91a463a0ac69a3a0ab50a64032e0686067b060606072002e206205e00c4171c00504b0304140000000800000021006e99b22847"
    "000000900000000f0014006c73746d2f6b65726e656c2e6e707901001000900000000000000047000000000000009bec17ea1b10c9c8"
    "50c650ad9e925a9c5ca46ea5a06e9366a1aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a463a9a3a0a"
    "b50a14002e06340000504b01021403140000000800000021002d8e1ce858000000980000000500000000000000000000008001000000"
    "00782e6e7079504b01021403140000000800000021006e99b22847000000900000000f000000000000000000000080018f0000006c73"
    "746d2f6b65726e656c2e6e7079504b0506000000000200020070000000170100000000";

const PlainTensor<float> matrix{{2, 3}, {1, 2, 3, 4, 5, 6.5f}};

}  // namespace

TEST_CASE_FIXTURE(Files, "arrays that numpy wrote") {
  CHECK(read<float>(from_hex(fortran_hex)) == matrix);
  // numpy writes the same bytes from a C array, but for the order's name.
  write_npy(path, PlainTensor<double>{{2, 3}, {1, 2, 3, 4, 5, 6.5}});
  std::string want = from_hex(fortran_hex).substr(0, 128);
  want.replace(want.find("True"), 4, "False");
  want = want.substr(0, want.find('}') + 1);
  want.resize(127, ' ');
  CHECK(file_bytes(path) == want + "\n" + bytes_of<double>({1, 2, 3, 4, 5, 6.5}));
  CHECK(read_npy<float>(path) == matrix);
}

TEST_CASE_FIXTURE(Files, "element types") {
  const auto one = [](const char* descr, const std::string& data) {
    return npy(std::string("{'descr': '") + descr + "', 'fortran_order': False, 'shape': (2,), }\n", data);
  };
  CHECK(read<double>(one("<f2", from_hex("003c00c0"))).values == std::vector<double>{1, -2});
  CHECK(read<double>(one("<f4", bytes_of<float>({1, -2}))).values == std::vector<double>{1, -2});
  CHECK(read<float>(one("=f8", bytes_of<double>({1, -2}))).values == std::vector<float>{1, -2});
  CHECK(read<std::int64_t>(one("<i8", bytes_of<std::int64_t>({1, -2}))).values == std::vector<std::int64_t>{1, -2});
  CHECK(read<std::uint8_t>(one("|u1", "\1\2")).values == std::vector<std::uint8_t>{1, 2});
  CHECK(read<std::uint8_t>(one("|b1", std::string("\1\0", 2))).values == std::vector<std::uint8_t>{1, 0});
  CHECK(error(one("<i4", bytes_of<int>({1, 2}))) == "is of I32; expected F16, F32 or F64");
  CHECK_THROWS_WITH_AS(read<std::int64_t>(one("<i4", bytes_of<int>({1, 2}))),
                       ("[npy] " + path + ": is of I32; expected I64").c_str(), FileError);
  for (const char* descr : {">f4", "<c8", "|O", "<U3", "f4", "", "<f"})
    CHECK(error(one(descr, "")) ==
          "header says elements of type '" + std::string(descr) +
              "'; expected '<f2', '<f4', '<f8', '|b1' or a little-endian integer (numpy: x.astype('<f4'))");
}

TEST_CASE_FIXTURE(Files, "shapes, orders and versions") {
  const std::string data = bytes_of<float>({0, 1, 2, 3, 4, 5});
  const auto with = [&](const std::string& shape, const std::string& order = "False") {
    return npy("{'shape': " + shape + ", \"fortran_order\" :" + order + ",'descr':'<f4'}", data);
  };
  using Dims = std::vector<Index>;
  CHECK(read<float>(with("(6,)")).shape == Dims{6});
  CHECK(read<float>(with("(6L,)")).shape == Dims{6});
  CHECK(read<float>(with("( 1 ,2,3 , )")).shape == Dims{1, 2, 3});
  CHECK(read<float>(with("(6,)", "True")).values == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(read<float>(with("(2, 3)", "True")).values == std::vector<float>{0, 2, 4, 1, 3, 5});
  CHECK(read<float>(with("(1,3,2)", "True")).values == std::vector<float>{0, 3, 1, 4, 2, 5});
  CHECK(read<float>(with("(3,1,2)", "True")).values == std::vector<float>{0, 3, 1, 4, 2, 5});
  const std::string scalar = "{'descr': '<f4', 'fortran_order': False, 'shape': (), }";
  CHECK(read<float>(npy(scalar, bytes_of<float>({5}))) == PlainTensor<float>{{}, {5}});
  CHECK(read<float>(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (0, 3), }", "")) ==
        PlainTensor<float>{{0, 3}, {}});
  for (const char version : {'\1', '\2', '\3'})
    CHECK(read<float>(npy(scalar, bytes_of<float>({5}), version)).values[0] == 5);
  CHECK(error(npy(scalar, "", 4)) == "is of version 4.0; expected 1.0, 2.0 or 3.0");

  CHECK(error(with("(7,)")) == "has 24 bytes of elements; F32 of shape (7) takes 28");
  CHECK(error(with("(5,)")) == "has 24 bytes of elements; F32 of shape (5) takes 20");
  CHECK(error(with("(4611686018427387904, 4)")) ==
        "has 24 bytes of elements; F32 of shape (4611686018427387904,4) takes more than can be counted");
  CHECK(error(with("(99999999999999999999,)")) == "header has a dimension that is too large");
  CHECK(error(with("(6)")).starts_with("header has no ',' at character"));
  CHECK(error(with("(-6,)")).starts_with("header has no whole number at character"));
  CHECK(error(with("(6.0,)")).starts_with("header has no ',' at character"));
  CHECK(error(with("6")).starts_with("header has no '(' at character"));
  CHECK(error(with("(6,")).starts_with("header has no whole number at character"));
  CHECK(error(with("(6,)", "Maybe")).starts_with("header has no True or False at character"));
  CHECK(error(with("(6,)", "True, 'shape': (6,)")) == "header 'shape' is there twice");
  CHECK(error(with("(6,)", "True, 'x': (6,)")) == "header has the unknown key 'x'");
  CHECK(error(npy("{'descr': [('a', '<f4')]}", "")) == "header is of records; expected one plain type, '<f4' or '<f8'");
  CHECK(error(npy("{}", "")) == "header lacks descr, fortran_order or shape");
  CHECK(error(npy(scalar + "x", "")) == "header has no the end at character 56");
  CHECK(error(npy("{'descr", "")) == "header has no end of the string at character 2");
  CHECK(error("").starts_with("does not begin as a .npy file"));
  CHECK(error(std::string("\x93NUMPY\2\0\0\0\0", 11)) == "ends within its header");
  CHECK(error(npy(scalar, "").substr(0, 20)) == "has a header of 55 bytes in a file of 20");
}

TEST_CASE_FIXTURE(Files, "round trips") {
  for (const std::vector<Index>& shape : std::vector<std::vector<Index>>{{}, {0}, {1}, {3}, {2, 3, 1, 2, 2}}) {
    PlainTensor<double> x{shape, {}};
    std::size_t n = 1;
    for (const Index d : shape) n *= static_cast<std::size_t>(d);
    for (std::size_t i = 0; i < n; ++i) x.values.push_back(0.1 * static_cast<double>(i));
    write_npy(path, x);
    CHECK(read_npy<double>(path) == x);
    CHECK((file_bytes(path).size() - n * sizeof(double)) % 64 == 0);
  }
  const PlainTensor<double> many{std::vector<Index>(30'000, 1), {5}};  // a header that takes version 2.0
  write_npy(path, many);
  CHECK(file_bytes(path)[6] == 2);
  CHECK(read_npy<double>(path) == many);
  CHECK_THROWS_WITH_AS(write_npy(path, PlainTensor<float>{{2}, {1}}),
                       "[write_npy] 1 values for shape (2), which takes 2", ShapeError);
}

TEST_CASE_FIXTURE(Files, "xtensor's arrays") {
  const xt::xarray<double> a{{1, 2, 3}, {4, 5, 6.5}};
  CHECK(plain_tensor<float>(a) == matrix);
  CHECK(plain_tensor<float>(xt::eval(a) + 0.0) == matrix);
  CHECK(value_of(plain_tensor<double>(a)) == a);
  const xt::xarray<double, xt::layout_type::column_major> columns = a;
  CHECK(plain_tensor<float>(columns) == matrix);
  CHECK_THROWS_AS(value_of(PlainTensor<float>{{2}, {1}}), ShapeError);
  write_npy(path, plain_tensor<double>(a));
  CHECK(value_of(read_npy<double>(path)) == a);
}

TEST_CASE_FIXTURE(Files, "a .npz file that numpy wrote") {
  if (without_libzip()) return;
  const std::string bytes = from_hex(npz_hex);
  put_file(path, bytes);
  const NpzFile file(path);
  CHECK(file.names() == std::vector<std::string>{"lstm/kernel", "x"});
  CHECK(file.read<float>("x") == matrix);
  CHECK(read_npz<double>(path).at("lstm/kernel") == PlainTensor<double>{{2}, {0, 0}});
  CHECK_THROWS_WITH_AS(file.read<float>("y"), ("[npz] " + path + ": array 'y' is not there").c_str(), FileError);
  CHECK_THROWS_WITH_AS(file.read<int>("x"), ("[npz] " + path + ": array 'x' is of F32; expected I32").c_str(),
                       FileError);
  for (const std::size_t size : {std::size_t{0}, std::size_t{10}, bytes.size() / 2, bytes.size() - 1}) {
    put_file(folder.file("cut"), bytes.substr(0, size));
    CHECK_THROWS_WITH_AS(NpzFile(folder.file("cut")), doctest::Contains("is no zip file: "), FileError);
  }
  std::string wrong = bytes;
  wrong[70] = static_cast<char>(wrong[70] ^ 1);
  put_file(folder.file("wrong"), wrong);
  CHECK_THROWS_WITH_AS(NpzFile(folder.file("wrong")).read<float>("x"), doctest::Contains("cannot be unpacked"),
                       FileError);
}

TEST_CASE_FIXTURE(Files, ".npz round trips") {
  if (without_libzip()) return;
  StateDict<float> arrays = {{"a/b", matrix}, {"scalar", {{}, {3}}}, {"none", {{0, 2}, {}}}};
  for (int i = 0; i < 3000; ++i) arrays["long"].values.push_back(static_cast<float>(i % 7));
  arrays["long"].shape = {3000};
  std::string sizes[2];
  for (const bool compress : {false, true}) {
    write_npz(path, arrays, {.compress = compress});
    CHECK(read_npz<float>(path) == arrays);
    sizes[compress] = file_bytes(path);
    write_npz(path, arrays, {.compress = compress});
    CHECK(file_bytes(path) == sizes[compress]);
  }
  CHECK(sizes[1].size() < sizes[0].size() / 2);
  write_npz(path, StateDict<float>());
  CHECK(read_npz<float>(path).empty());
  CHECK(folder.count() == 1);
}
