#include "prefetch.hpp"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

namespace unroll::detail {

// Slots go round: `filled` by the thread, `taken` by the reader, `released` by it for being filled again.
struct PrefetchThread::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t slots = 0, filled = 0, taken = 0, released = 0;
  bool ended = false, stop = false;
  std::exception_ptr error;
  std::thread thread;

  void run(bool (*make)(void*, std::size_t), void* self) {
    for (std::size_t k = 0;; ++k) {
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return stop || k < released + slots; });
        if (stop) return;
      }
      bool more = false;
      std::exception_ptr thrown;
      try {
        more = make(self, k % slots);
      } catch (...) {
        thrown = std::current_exception();
      }
      const std::lock_guard lock(mutex);
      filled += more;
      error = std::move(thrown);  // one owner at a time
      ended = !more;
      changed.notify_all();
      if (ended) return;
    }
  }
};

PrefetchThread::PrefetchThread(std::size_t slots, bool (*make)(void*, std::size_t), void* self)
    : state_(std::make_unique<State>()) {
  state_->slots = slots;
  state_->thread = std::thread([state = state_.get(), make, self] { state->run(make, self); });
}

PrefetchThread::~PrefetchThread() { stop(); }

Index PrefetchThread::next() {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  s.changed.wait(lock, [&] { return s.taken < s.filled || s.ended || s.stop; });
  if (s.taken < s.filled) return static_cast<Index>(s.taken++ % s.slots);
  if (s.error) std::rethrow_exception(std::exchange(s.error, nullptr));
  return -1;
}

void PrefetchThread::release() {
  const std::lock_guard lock(state_->mutex);
  state_->released = state_->taken;
  state_->changed.notify_all();
}

void PrefetchThread::stop() noexcept {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->changed.notify_all();
  if (state_->thread.joinable()) state_->thread.join();
}

}  // namespace unroll::detail
