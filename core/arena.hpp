#pragma once
/// \file
/// The memory of a tape: blocks that are filled from front to back and given back all at once.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "simd/per_isa.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define UNROLL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNROLL_ASAN 1
#endif
#endif

namespace unroll {

/// A bump allocator of 64-byte aligned blocks.
///
/// `allocate` moves a pointer; `rewind` moves it back. Blocks are kept, so a second step of the same size asks the
/// system for nothing. A step that needed several blocks is followed by one block for all it used (`prepare_reset`, at
/// the end of the step, makes it; `reset`, when the memory is no longer readable, changes over), after which the
/// memory of a step is contiguous. Under AddressSanitizer memory that was given back is poisoned.
class Arena {
 public:
  static constexpr std::size_t alignment = 64;

  Arena() = default;
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// `bytes` of memory aligned to `align` (a power of two, at most 64); its content is undefined. Never null, not
  /// even for zero bytes.
  UNROLL_PER_ISA void* allocate(std::size_t bytes, std::size_t align = alignment) {
#ifndef UNROLL_ASAN
    const auto at = (reinterpret_cast<std::uintptr_t>(next_) + (align - 1)) & ~(align - 1);
    const auto end = reinterpret_cast<std::uintptr_t>(end_);
    if (next_ && at <= end && bytes <= end - at) {
      next_ = reinterpret_cast<std::byte*>(at + bytes);
      return reinterpret_cast<std::byte*>(at);
    }
#endif
    return allocate_slow(bytes, align);
  }

  /// A position to come back to.
  struct Mark {
    std::size_t block = 0;
    std::size_t offset = 0;
  };
  Mark mark() const { return {current_, block_count_ == 0 ? 0 : static_cast<std::size_t>(next_ - begin_)}; }
  /// Gives back everything allocated since `mark`; the blocks stay.
  void rewind(Mark mark);

  /// Makes the one block that the next `reset` will use, when several were needed.
  void prepare_reset();
  /// Gives everything back, and changes over to the block that `prepare_reset` made.
  void reset();
  /// Frees every block.
  void release();

  /// True for memory in one of the blocks.
  bool owns(const void* memory) const;
  /// Bytes given out and not yet taken back.
  std::size_t bytes_used() const;
  /// Bytes held from the system.
  std::size_t bytes_reserved() const;

 private:
  struct Block {
    std::byte* data;
    std::size_t size;
  };
  void* allocate_slow(std::size_t bytes, std::size_t align);
  void enter(std::size_t block, std::size_t offset);

  std::byte* begin_ = nullptr;
  std::byte* next_ = nullptr;
  std::byte* end_ = nullptr;
  std::size_t current_ = 0;
  std::size_t block_count_ = 0;
  std::vector<Block> blocks_;
  std::vector<std::size_t> used_before_;  // bytes used in each block when the next one was entered
  std::size_t most_used_ = 0;  // before some of it was taken back, as long as there are several blocks
  Block prepared_{nullptr, 0};
};

}  // namespace unroll
