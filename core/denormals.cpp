#include "denormals.hpp"

#include <atomic>

#ifdef __SSE2__
#include <xmmintrin.h>
#endif

namespace unroll {
namespace {

constinit std::atomic<bool> wanted = true;

#if defined(__SSE2__)
constexpr std::uint64_t flushing = 0x8040;  // flush to zero (bit 15), denormals are zeros (bit 6)
std::uint64_t mode() noexcept { return _mm_getcsr(); }
void set_mode(std::uint64_t mode) noexcept { _mm_setcsr(static_cast<unsigned>(mode)); }
#elif defined(__aarch64__)
constexpr std::uint64_t flushing = std::uint64_t{1} << 24;  // FZ: operands and results
std::uint64_t mode() noexcept {
  std::uint64_t fpcr;
  asm volatile("mrs %0, fpcr" : "=r"(fpcr));
  return fpcr;
}
void set_mode(std::uint64_t mode) noexcept { asm volatile("msr fpcr, %0" : : "r"(mode)); }
#else
constexpr std::uint64_t flushing = 1;
std::uint64_t mode() noexcept { return 0; }
void set_mode(std::uint64_t) noexcept {}
#endif

}  // namespace

FlushDenormals::FlushDenormals(bool on) noexcept {
  if (!get_flush_denormals()) return;
  before_ = mode();
  const std::uint64_t meanwhile = on ? before_ | flushing : before_ & ~flushing;
  changed_ = meanwhile != before_;
  if (changed_) set_mode(meanwhile);
}

FlushDenormals::~FlushDenormals() {
  // Flags that were raised meanwhile (inexact, overflow) stay raised.
  if (changed_) set_mode((mode() & ~flushing) | (before_ & flushing));
}

bool FlushDenormals::active() noexcept { return (mode() & flushing) == flushing; }

bool get_flush_denormals() noexcept { return wanted.load(std::memory_order_relaxed); }

bool set_flush_denormals(bool on) noexcept { return wanted.exchange(on, std::memory_order_relaxed); }

}  // namespace unroll
