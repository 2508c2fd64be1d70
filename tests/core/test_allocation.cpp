// From the second identical step on, recording and backward take nothing from the heap.

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

#include "unroll/core/loop.hpp"
#include "unroll/core/tape.hpp"
#include "unroll/ops/gather.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/map.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"  // inlined, g++ 12 sees malloc and free and not the pair
#endif

namespace {

std::atomic<long> heap_calls{0};

void* take(std::size_t size, std::size_t align) {
  ++heap_calls;
  size = size == 0 ? 1 : size;
  return align <= alignof(std::max_align_t) ? std::malloc(size)
                                            : std::aligned_alloc(align, (size + align - 1) / align * align);
}

void* take_or_throw(std::size_t size, std::size_t align) {
  if (void* p = take(size, align)) return p;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t n) { return take_or_throw(n, 1); }
void* operator new[](std::size_t n) { return take_or_throw(n, 1); }
void* operator new(std::size_t n, std::align_val_t a) {
  return take_or_throw(n, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t n, std::align_val_t a) {
  return take_or_throw(n, static_cast<std::size_t>(a));
}
void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return take(n, 1); }
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept { return take(n, 1); }
void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return take(n, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return take(n, static_cast<std::size_t>(a));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t, const std::nothrow_t&) noexcept { std::free(p); }

using namespace unroll;

namespace {

// One step with an embedding, a ragged loop with gates, joins, copies, an inner Evaluation, and backward.
template <class T>
class Step {
 public:
  static constexpr int steps = 30, batch = 20, hidden = 32;

  Step() : table_(Shape{50, 4 * hidden}), ids_(steps * batch) {
    for (std::size_t i = 0; i < ids_.size(); ++i) ids_[i] = static_cast<int>(i * 7 % 50);
  }

  void run() {
    Recording step(tape_);
    const auto x = gather_rows(table_, ids_,
                               {.leading = Shape{
                                    steps,
                                    batch,
                                }});
    std::array<Variable<T>, steps> states;
    auto c = zeros<T>(Shape{batch, hidden});
    {
      Loop<T> loop(tape_, steps * batch);
      for (int t = 0; t < steps; ++t) {
        loop.step(t * batch, batch);
        const auto [i, f, g, o] = chunk<4>(at(x, t));
        const auto hc = map(
            [](auto a, auto b, auto d, auto e, auto c_before) {
              auto c_now = sigmoid(b) * c_before + sigmoid(a) * tanh(d);
              return std::pair(sigmoid(e) * tanh(c_now), c_now);
            },
            i, f, g, o, c);
        states[static_cast<std::size_t>(t)] = hc[0];
        c = hc[1];
      }
    }
    const auto all = stack(states);
    const auto turned = concat({transpose(all, 0, 1), transpose(flip(all), 0, 1)}, 2);
    {
      Evaluation inner(tape_);
      map([](auto a) { return a * a; }, turned);
    }
    tape_.backward(at(reshape(turned, {-1}), 3));
    table_.clear_grad();
  }

 private:
  Tape<T> tape_;
  Parameter<T> table_;
  std::vector<int> ids_;
};

template <class T>
void check_steps() {
  Step<T> step;
  const long before = heap_calls;
  step.run();
  CHECK(heap_calls > before);  // the counter counts
  const long first = heap_calls;
  for (int i = 0; i < 5; ++i) step.run();
  CHECK(heap_calls - first == 0);
}

}  // namespace

TEST_CASE("a second identical step allocates nothing") {
  check_steps<float>();
  check_steps<double>();
}

TEST_CASE("an evaluation of the same size allocates nothing either") {
  Tape<float> tape;
  const std::vector<float> values(5000, 1);
  long after_first = 0;
  for (int i = 0; i < 5; ++i) {
    {
      Evaluation step(tape);
      auto x = input(values, Shape{50, 100});
      for (int k = 0; k < 100; ++k) x = map([](auto a) { return tanh(a); }, x);
    }
    if (i == 0) after_first = heap_calls;
  }
  CHECK(heap_calls - after_first == 0);
}
