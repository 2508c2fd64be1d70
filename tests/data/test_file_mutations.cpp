// Files with flipped bits, cut, and with hostile sizes: an error that names the file, or a load whose every tensor is
// what its shape says. Never a crash, and never an allocation that the file's own size does not pay for.

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <cstdlib>
#include <new>

#include "mutated_file.hpp"
#include "sanitizers.hpp"
#include "temporary_folder.hpp"
#include "unroll/core/error.hpp"
#include "unroll/core/random.hpp"
#include "unroll/data/tensors/npy.hpp"
#include "unroll/data/tensors/safetensors.hpp"
#include "unroll/data/text/vocabulary.hpp"

namespace {
std::size_t largest_new = 0;
}

#if defined(UNROLL_TEST_ASAN) || defined(UNROLL_TEST_TSAN)
// AddressSanitizer has its own operator new, and ends the program at a larger allocation, whoever makes it.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "max_allocation_size_mb=64"; }
#else
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"  // inlined, g++ 12 sees malloc and free and not the pair
#endif
void* operator new(std::size_t size) {
  largest_new = std::max(largest_new, size);
  if (void* p = std::malloc(size ? size : 1)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
#endif

using namespace unroll;

namespace {

constexpr int mutations = 1000;
constexpr std::size_t largest_allowed = 8 << 20;  // files here have some hundred bytes

/// Reads everything there is; gives back what any reader of it as float would get.
using Reader = StateDict<float> (*)(const std::string& path);

StateDict<float> load_safetensors(const std::string& path) {
  const SafetensorsFile file(path);
  StateDict<float> all;
  for (const TensorView& t : file.tensors()) {
    if (is_float(t.dtype)) all[t.name] = file.read<float>(t.name);
    if (t.dtype == DType::i64) CHECK(file.read<std::int64_t>(t.name).values.size() * 8 == t.bytes.size());
    unsigned sum = 0;  // all of it is there to be read
    for (const std::byte b : t.bytes) sum += static_cast<unsigned>(b);
    CHECK(sum <= 255 * t.bytes.size());
  }
  return all;
}
StateDict<float> load_npy(const std::string& path) { return {{"", read_npy<float>(path)}}; }

struct Outcome {
  int errors = 0, loads = 0;
};

Outcome mutate_all(const std::vector<std::string>& originals, Reader read, std::uint64_t seed, bool checksummed) {
  const TemporaryFolder folder;
  const std::string path = folder.file("file");
  std::vector<StateDict<float>> whole;
  for (const std::string& bytes : originals) {
    put_file(path, bytes);
    whole.push_back(read(path));
  }
  Rng rng(seed);
  Outcome outcome;
  for (int i = 0; i < mutations; ++i) {
    CAPTURE(i);
    const std::size_t which = below(rng, originals.size());
    put_file(path, mutated(originals[which], rng));
    largest_new = 0;
    try {
      for (const auto& [name, tensor] : read(path)) {
        std::size_t size = 1;
        for (const Index d : tensor.shape) size *= static_cast<std::size_t>(d);
        CHECK(size == tensor.values.size());
        if (const auto same = whole[which].find(name); checksummed && same != whole[which].end())
          CHECK(tensor == same->second);
      }
      ++outcome.loads;
    } catch (const FileError& e) {
      ++outcome.errors;
      const std::string_view text = e.what();
      CHECK(text.find(path) != text.npos);
      CHECK(text.find("alloc") == text.npos);  // libzip's own "Malloc failure"
    }
    CHECK(largest_new <= largest_allowed);
  }
  CHECK(outcome.errors + outcome.loads == mutations);
  MESSAGE(outcome.errors << " errors, " << outcome.loads << " loads");
  return outcome;
}

/// malloc() of what is hostile fails, so that libzip's shows.
void limit_memory() {
#if !defined(UNROLL_TEST_ASAN) && !defined(UNROLL_TEST_TSAN)
  rlimit limit{1 << 30, 1 << 30};
  REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
#endif
}

StateDict<float> some_tensors() {
  StateDict<float> tensors = {
      {"encoder.weight", {{3, 4}, {}}}, {"bias", {{4}, {1, 2, 3, 4}}}, {"none", {{0, 2}, {}}}, {"scalar", {{}, {5}}}};
  for (int i = 0; i < 12; ++i) tensors["encoder.weight"].values.push_back(static_cast<float>(i) * 0.25f);
  return tensors;
}

}  // namespace

TEST_CASE("mutated safetensors files") {
  limit_memory();
  const TemporaryFolder folder;
  const std::string path = folder.file("m");
  std::vector<std::string> originals;
  for (const DType dtype : {DType::f32, DType::f64, DType::f16}) {
    write_safetensors(path, some_tensors(), {{"format", "pt"}}, dtype);
    originals.push_back(file_bytes(path));
  }
  const std::int64_t numbers[] = {1, 2};
  const TensorView views[] = {{"n", DType::i64, {2}, std::as_bytes(std::span(numbers))},
                              {"b", DType::u8, {3}, std::as_bytes(std::span(numbers)).first(3)}};
  write_safetensors(path, views);
  originals.push_back(file_bytes(path));
  const Outcome outcome = mutate_all(originals, load_safetensors, 1, false);
  CHECK(outcome.errors > mutations / 2);
  CHECK(outcome.loads > 0);
}

TEST_CASE("mutated npy files") {
  limit_memory();
  const TemporaryFolder folder;
  const std::string path = folder.file("m");
  std::vector<std::string> originals;
  write_npy(path, some_tensors()["encoder.weight"]);
  originals.push_back(file_bytes(path));
  std::string fortran = originals[0];
  fortran.replace(fortran.find("False"), 5, "True ");
  originals.push_back(fortran);
  std::string version_2 = originals[0];
  version_2[6] = 2;
  version_2.insert(10, 2, '\0');
  originals.push_back(version_2);
  const Outcome outcome = mutate_all(originals, load_npy, 2, false);
  CHECK(outcome.errors > mutations / 2);
  CHECK(outcome.loads > 0);
}

TEST_CASE("mutated npz files") {
  limit_memory();
  const TemporaryFolder folder;
  const std::string path = folder.file("m");
  std::vector<std::string> originals;
  try {
    for (const bool compress : {false, true}) {
      write_npz(path, some_tensors(), {.compress = compress});
      originals.push_back(file_bytes(path));
    }
  } catch (const FileError& e) {
    if (std::string_view(e.what()).find("has no libzip") == std::string_view::npos) throw;
    MESSAGE("this build has no libzip: .npz is not tested");
    return;
  }
  const Outcome outcome = mutate_all(originals, read_npz<float>, 3, true);
  CHECK(outcome.errors > mutations / 2);
  CHECK(outcome.loads > 0);
}

TEST_CASE("mutated vocabulary files: an error that names the file, or a load that is the file byte for byte") {
  limit_memory();
  const TemporaryFolder folder;
  const std::string path = folder.file("v"), again = folder.file("w");
  std::vector<std::string> originals;
  TokenCounts counts;
  for (int i = 0; i < 30; ++i) counts["w\u00f6rd" + std::to_string(i * i) + (i % 7 == 0 ? "\t\\" : "")] = i % 5;
  Vocabulary(counts, {.specials = {"<pad>", "<unk>"}}).save(path);
  originals.push_back(file_bytes(path));
  Vocabulary(std::vector<std::string>{"a", "b", "c"}).save(path);
  originals.push_back(file_bytes(path));
  Rng rng(4);
  Outcome outcome;
  for (int i = 0; i < mutations; ++i) {
    CAPTURE(i);
    const std::string bytes = mutated(originals[below(rng, originals.size())], rng);
    put_file(path, bytes);
    largest_new = 0;
    try {
      const Vocabulary v = Vocabulary::load(path);
      ++outcome.loads;
      v.save(again);
      CHECK(file_bytes(again) == bytes);
      for (Index id = 0; id < v.size(); ++id) CHECK(v.id(v.token(id)) == id);
    } catch (const DataError& e) {
      ++outcome.errors;
      CHECK(std::string_view(e.what()).starts_with(path));
    }
    CHECK(largest_new <= 1 << 16);
  }
  MESSAGE(outcome.errors << " errors, " << outcome.loads << " loads");
  CHECK(outcome.errors > mutations / 2);
  CHECK(outcome.loads > 20);
}
