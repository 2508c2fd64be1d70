#include "arena.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#ifdef UNROLL_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace unroll {
namespace {

constexpr std::size_t first_block = std::size_t{64} << 10;

void poison([[maybe_unused]] void* p, [[maybe_unused]] std::size_t n) {
#ifdef UNROLL_ASAN
  ASAN_POISON_MEMORY_REGION(p, n);
#endif
}

void unpoison([[maybe_unused]] void* p, [[maybe_unused]] std::size_t n) {
#ifdef UNROLL_ASAN
  ASAN_UNPOISON_MEMORY_REGION(p, n);
#endif
}

std::byte* new_block(std::size_t size) {
  auto* p = static_cast<std::byte*>(::operator new(size, std::align_val_t{Arena::alignment}));
  poison(p, size);
  return p;
}

void free_block(std::byte* p, std::size_t size) {
  unpoison(p, size);
  ::operator delete(p, std::align_val_t{Arena::alignment});
}

}  // namespace

Arena::~Arena() { release(); }

void Arena::release() {
  for (const Block& b : blocks_) free_block(b.data, b.size);
  if (prepared_.data) free_block(prepared_.data, prepared_.size);
  prepared_ = {nullptr, 0};
  blocks_.clear();
  used_before_.clear();
  block_count_ = current_ = 0;
  begin_ = next_ = end_ = nullptr;
}

void Arena::enter(std::size_t block, std::size_t offset) {
  current_ = block;
  begin_ = blocks_[block].data;
  end_ = begin_ + blocks_[block].size;
  next_ = begin_ + offset;
}

void* Arena::allocate_slow(std::size_t bytes, std::size_t align) {
#ifdef UNROLL_ASAN
  constexpr std::size_t gap = 8;  // stays poisoned: an overrun of one element is caught
#else
  constexpr std::size_t gap = 0;
#endif
  const auto fits = [&] {
    const auto at = (reinterpret_cast<std::uintptr_t>(next_) + (align - 1)) & ~(align - 1);
    const auto end = reinterpret_cast<std::uintptr_t>(end_);
    return next_ && at <= end && bytes + gap <= end - at;
  };
  if (!fits()) {
    // The rest of a block that is too small for this request stays unused until the blocks are made one.
    const std::size_t size = (bytes + gap + (alignment - 1)) & ~(alignment - 1);
    std::size_t block = block_count_ == 0 ? 0 : current_ + 1;
    while (block < block_count_ && blocks_[block].size < size) {
      used_before_[block] = 0;
      ++block;
    }
    if (block_count_ > 0) used_before_[current_] = static_cast<std::size_t>(next_ - begin_);
    if (block == block_count_) {
      const std::size_t last = blocks_.empty() ? first_block / 2 : blocks_.back().size;
      const std::size_t wanted = std::max(size, 2 * last);
      blocks_.reserve(blocks_.size() + 1);
      used_before_.reserve(used_before_.size() + 1);
      blocks_.push_back({new_block(wanted), wanted});
      used_before_.push_back(0);
      ++block_count_;
    }
    enter(block, 0);
  }
  const auto at = (reinterpret_cast<std::uintptr_t>(next_) + (align - 1)) & ~(align - 1);
  auto* p = reinterpret_cast<std::byte*>(at);
  next_ = p + bytes + gap;
  unpoison(p, bytes);
#ifdef UNROLL_ASAN
  std::memset(p, 0xff, bytes);  // NaN in float and double: what is read before it was written shows
#endif
  return p;
}

void Arena::rewind(Mark mark) {
  if (block_count_ == 0) return;
  if (block_count_ > 1) most_used_ = std::max(most_used_, bytes_used());
#ifdef UNROLL_ASAN
  for (std::size_t b = mark.block; b <= current_; ++b) {
    const std::size_t from = b == mark.block ? mark.offset : 0;
    poison(blocks_[b].data + from, blocks_[b].size - from);
  }
#endif
  enter(mark.block, mark.offset);
}

void Arena::prepare_reset() {
  if (block_count_ < 2 || prepared_.data) return;
  // What this step used and a little more: one that is larger than all before it is met again and again while batches
  // differ.
  const std::size_t used = std::max(most_used_, bytes_used()), total = (used + used / 64 + 4095) & ~std::size_t{4095};
  prepared_ = {new_block(total), total};
}

void Arena::reset() {
  if (prepared_.data) {
    const Block one = prepared_;
    prepared_ = {nullptr, 0};
    for (const Block& b : blocks_) free_block(b.data, b.size);
    blocks_.assign(1, one);
    used_before_.assign(1, 0);
    block_count_ = 1;
    current_ = 0;
  }
  rewind(Mark{});
  most_used_ = 0;
}

bool Arena::owns(const void* memory) const {
  const auto at = reinterpret_cast<std::uintptr_t>(memory);
  return std::ranges::any_of(blocks_, [at](const Block& b) {
    const auto begin = reinterpret_cast<std::uintptr_t>(b.data);
    return at >= begin && at < begin + b.size;
  });
}

std::size_t Arena::bytes_used() const {
  if (block_count_ == 0) return 0;
  std::size_t n = static_cast<std::size_t>(next_ - begin_);
  for (std::size_t b = 0; b < current_; ++b) n += used_before_[b];
  return n;
}

std::size_t Arena::bytes_reserved() const {
  std::size_t n = prepared_.size;
  for (const Block& b : blocks_) n += b.size;
  return n;
}

}  // namespace unroll
