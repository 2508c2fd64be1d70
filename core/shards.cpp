#include "shards.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "error.hpp"
#include "recorder.hpp"

namespace unroll {

template <class T>
struct Shards<T>::Impl {
  std::deque<Tape<T>> tapes;
  std::vector<std::thread> threads;
  std::vector<std::exception_ptr> errors;
  const std::function<void(Tape<T>&, int)>* work = nullptr;
  std::mutex mutex;
  std::condition_variable begin, end;
  std::uint64_t round = 0;
  int running = 0, used = 0;  // in this round: threads that have not finished, shards that have work
  bool stop = false;

  void run_shard(int shard) {
    const auto at = static_cast<std::size_t>(shard);
    errors[at] = nullptr;
    try {
      (*work)(tapes[at], shard);
    } catch (...) {
      errors[at] = std::current_exception();
    }
  }

  void serve(int shard) {
    std::uint64_t done = 0;
    for (;;) {
      {
        std::unique_lock lock(mutex);
        begin.wait(lock, [&] { return stop || round != done; });
        if (stop) return;
        done = round;
        if (shard >= used) continue;
      }
      run_shard(shard);
      const std::scoped_lock lock(mutex);
      if (--running == 0) end.notify_one();
    }
  }
};

template <class T>
Shards<T>::Shards(int count, std::uint64_t seed) : impl_(std::make_unique<Impl>()) {
  if (count < 1) throw ValueError("[Shards] ", count, " shards; expected at least 1");
  Rng seeds(seed);
  for (int k = 0; k < count; ++k) {
    impl_->tapes.emplace_back(k == 0 ? seed : seeds.next());
    impl_->tapes.back().recorder().keep_gradients(count > 1);
  }
  impl_->errors.resize(static_cast<std::size_t>(count));
  for (int k = 1; k < count; ++k) impl_->threads.emplace_back([impl = impl_.get(), k] { impl->serve(k); });
}

template <class T>
Shards<T>::~Shards() {
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->stop = true;
  }
  impl_->begin.notify_all();
  for (std::thread& t : impl_->threads) t.join();
}

template <class T>
int Shards<T>::count() const {
  return static_cast<int>(impl_->tapes.size());
}

template <class T>
Tape<T>& Shards<T>::tape(int shard) {
  if (shard < 0 || shard >= count()) throw ValueError("[Shards] shard ", shard, " of ", count());
  return impl_->tapes[static_cast<std::size_t>(shard)];
}

template <class T>
void Shards<T>::run(const std::function<void(Tape<T>&, int)>& work) {
  run_first(count(), work);
}

template <class T>
void Shards<T>::run_first(int used, const std::function<void(Tape<T>&, int)>& work) {
  Impl& impl = *impl_;
  impl.work = &work;  // threads read it in a round that they take part in
  if (used > 1) {
    {
      const std::scoped_lock lock(impl.mutex);
      impl.running = used - 1;
      impl.used = used;
      ++impl.round;
    }
    impl.begin.notify_all();
  }
  // Small products side by side beat products on several threads; the other threads start with one by themselves.
  const int before = count() > 1 ? set_blas_threads(1) : 0;
  impl.run_shard(0);
  if (before > 0) set_blas_threads(before);
  if (used > 1) {
    std::unique_lock lock(impl.mutex);
    impl.end.wait(lock, [&] { return impl.running == 0; });
  }
  for (int k = 0; k < used; ++k)
    if (const std::exception_ptr& error = impl.errors[static_cast<std::size_t>(k)]) std::rethrow_exception(error);
}

template <class T>
double Shards<T>::step(const Shard& shard) {
  return step(shard, count());
}

template <class T>
double Shards<T>::step(const Shard& shard, int used) {
  if (used < 1 || used > count())
    throw ValueError("[Shards] step on ", used, " of ", count(), " shards; expected 1 to all of them");
  std::vector<double> losses(static_cast<std::size_t>(used));
  tape(0).recorder().keep_gradients(used > 1);
  run_first(used, [&](Tape<T>& tape, int k) {
    const Recording<T> recording(tape);
    tape.recorder().forget_kept_gradients();
    const Variable<T> loss = shard(tape, k);
    if (!loss.defined()) return;
    tape.backward(loss);
    losses[static_cast<std::size_t>(k)] = static_cast<double>(loss.item());
  });
  for (int k = 0; k < used; ++k) tape(k).recorder().hand_over_gradients();
  return std::accumulate(losses.begin(), losses.end(), 0.0);
}

std::vector<Index> cut_by_work(std::span<const Index> work, int count) {
  if (count < 1) throw ValueError("[cut_by_work] ", count, " parts; expected at least 1");
  Index total = 0;
  for (const Index w : work) {
    if (w < 0) throw ValueError("[cut_by_work] work of ", w, "; expected 0 or more");
    total += w;
  }
  std::vector<Index> cuts{0};
  Index done = 0, item = 0;
  const auto items = static_cast<Index>(work.size());
  for (int k = 1; k < count; ++k) {
    // The cut nearest to k / count of the work.
    const double target = static_cast<double>(total) * k / count;
    while (item < items &&
           static_cast<double>(done) + static_cast<double>(work[static_cast<std::size_t>(item)]) / 2 <= target)
      done += work[static_cast<std::size_t>(item++)];
    cuts.push_back(item);
  }
  cuts.push_back(items);
  return cuts;
}

template class Shards<float>;
template class Shards<double>;

}  // namespace unroll
