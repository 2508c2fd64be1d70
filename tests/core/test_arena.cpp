#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "unroll/core/arena.hpp"

using unroll::Arena;

namespace {

bool aligned(const void* p, std::size_t to) { return reinterpret_cast<std::uintptr_t>(p) % to == 0; }

}  // namespace

TEST_CASE("memory is aligned, distinct and never null") {
  Arena arena;
  CHECK(arena.bytes_used() == 0);
  CHECK(arena.bytes_reserved() == 0);
  std::vector<std::pair<unsigned char*, std::size_t>> pieces;
  for (std::size_t i = 0; i < 2000; ++i) {
    const std::size_t bytes = (i * 37) % 301, align = std::size_t{1} << (i % 7);
    auto* p = static_cast<unsigned char*>(arena.allocate(bytes, align));
    REQUIRE(p != nullptr);
    REQUIRE(aligned(p, align));
    std::memset(p, static_cast<int>(i % 251), bytes);
    pieces.emplace_back(p, bytes);
  }
  for (std::size_t i = 0; i < pieces.size(); ++i)
    for (std::size_t k = 0; k < pieces[i].second; ++k) REQUIRE(pieces[i].first[k] == i % 251);
  CHECK(arena.bytes_used() <= arena.bytes_reserved());
}

TEST_CASE("a step larger than a block gets a block of its own, later one of the sum") {
  Arena arena;
  arena.allocate(100);
  arena.allocate(std::size_t{3} << 20);
  arena.allocate(std::size_t{5} << 20);
  const std::size_t used = arena.bytes_used();
  CHECK(used >= std::size_t{8} << 20);
  arena.prepare_reset();
  arena.reset();
  CHECK(arena.bytes_used() == 0);
  const std::size_t reserved = arena.bytes_reserved();
  CHECK(reserved >= used);
  for (int step = 0; step < 5; ++step) {
    auto* first = static_cast<std::byte*>(arena.allocate(100));
    auto* second = static_cast<std::byte*>(arena.allocate(std::size_t{3} << 20));
    auto* third = static_cast<std::byte*>(arena.allocate(std::size_t{5} << 20));
    CHECK(first < second);
    CHECK(second < third);
    CHECK(third < first + reserved);
    arena.prepare_reset();
    arena.reset();
    CHECK(arena.bytes_reserved() == reserved);
  }
}

TEST_CASE("rewind gives back what came after the mark, over several blocks") {
  Arena arena;
  auto* kept = static_cast<unsigned char*>(arena.allocate(1000));
  std::memset(kept, 7, 1000);
  const Arena::Mark mark = arena.mark();
  const std::size_t used = arena.bytes_used();
  std::size_t reserved = 0;
  void* first = nullptr;
  for (int round = 0; round < 10; ++round) {
    void* p = arena.allocate(16);
    if (round == 0) first = p;
    CHECK(p == first);
    for (int i = 0; i < 8; ++i) arena.allocate(std::size_t{100} << 10);
    if (round == 0) reserved = arena.bytes_reserved();
    arena.rewind(mark);
    CHECK(arena.bytes_used() == used);
    CHECK(arena.bytes_reserved() == reserved);
  }
  for (int i = 0; i < 1000; ++i) REQUIRE(kept[i] == 7);
}

TEST_CASE("a mark of an empty arena, and release") {
  Arena arena;
  const Arena::Mark mark = arena.mark();
  arena.rewind(mark);
  arena.allocate(10);
  arena.rewind(mark);
  CHECK(arena.bytes_used() == 0);
  arena.release();
  CHECK(arena.bytes_reserved() == 0);
  CHECK(arena.allocate(0) != nullptr);
}

#ifdef UNROLL_ASAN
#include <sanitizer/asan_interface.h>

TEST_CASE("memory that was given back is poisoned, and so is the gap behind each piece") {
  Arena arena;
  auto* a = static_cast<char*>(arena.allocate(64));
  CHECK_FALSE(__asan_address_is_poisoned(a + 63));
  CHECK(__asan_address_is_poisoned(a + 64));
  const Arena::Mark mark = arena.mark();
  auto* b = static_cast<char*>(arena.allocate(64));
  CHECK_FALSE(__asan_address_is_poisoned(b));
  arena.rewind(mark);
  CHECK(__asan_address_is_poisoned(b));
  CHECK_FALSE(__asan_address_is_poisoned(a));
  arena.reset();
  CHECK(__asan_address_is_poisoned(a));
}
#endif
