#include "fit.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include "../../core/error.hpp"
#include "../clip.hpp"

namespace unroll {
namespace detail {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

void check_options(const FitOptions& o) {
  const auto at_least = [](const char* what, double value, double low) {
    if (!(value >= low))
      throw ValueError("[fit] ", what, " ", hyper_parameter_text(value), ", expected at least ",
                       hyper_parameter_text(low));
  };
  at_least("epochs", static_cast<double>(o.epochs), 0);
  at_least("clip_value", o.clip_value, 0);
  at_least("clip_norm", o.clip_norm, 0);
  at_least("patience", static_cast<double>(o.patience), 0);
  at_least("checkpoint_every", static_cast<double>(o.checkpoint_every), 0);
  at_least("log_every", static_cast<double>(o.log_every), 1);
}

template <class T>
void copy_values(const ParameterList<T>& from, const ParameterList<T>& to) {
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::copy_n(from[i].storage->value, from[i].storage->shape.size(), to[i].storage->value);
    ++to[i].storage->version;
  }
}

template <class T>
class FitLoop {
 public:
  FitLoop(const FitJob<T>& job, const FitOptions& o)
      : job_(job), o_(o), state_(job.state), progress_(work(), o.unit), metrics_at_(o.metrics.size()) {
    state_.add(o.state);
    if (o.validate) {
      for (const NamedParameter<T>& p : job.parameters)
        best_.push_back({p.name, std::make_shared<ParameterStorage<T>>(p.storage->shape)});
      copy_values(job.parameters, best_);
      state_.add("best", best_);
    }
    state_.add("fit.epoch", result_.epochs).add("fit.batch", batch_).add("fit.step", result_.steps);
    state_.add("fit.train_loss", result_.train_loss).add("fit.best_loss", result_.best_loss);
    state_.add("fit.best_epoch", result_.best_epoch).add("fit.seconds", result_.seconds);
    state_.add("fit.metrics", metrics_at_);
  }

  FitResult run() {
    if (o_.checkpoints) resume();
    progress_.start_at(static_cast<double>(result_.steps) * o_.items, result_.seconds);
    progress_.resume();
    while (result_.epochs < o_.epochs && !patience_is_over() && !interrupted()) epoch();
    progress_.pause();
    progress_.clear();
    if (o_.validate) copy_values(best_, job_.parameters);
    result_.interrupted = interrupted();
    result_.seconds = progress_.seconds();
    result_.items_per_second = progress_.rate();
    return result_;
  }

 private:
  double work() const { return static_cast<double>(o_.epochs * job_.batches()) * o_.items; }

  bool patience_is_over() const {
    return o_.patience > 0 && result_.epochs >= std::max<Index>(result_.best_epoch, 1) + o_.patience;
  }

  void resume() {
    const auto restored = o_.checkpoints->restore(state_);
    if (!restored) return;
    for (const std::string& line : restored->skipped) std::fprintf(stderr, "%s\n", line.c_str());
    if (o_.progress || !restored->skipped.empty())
      std::fprintf(stderr, "going on from %s, after %lld steps\n", restored->file.c_str(),
                   static_cast<long long>(result_.steps));
    for (std::size_t i = 0; i < metrics_at_.size(); ++i) o_.metrics[i]->resume(metrics_at_[i]);
  }

  void save(std::optional<double> value = {}) {
    result_.seconds = progress_.seconds();
    for (std::size_t i = 0; i < metrics_at_.size(); ++i) metrics_at_[i] = o_.metrics[i]->position();
    o_.checkpoints->save(state_, result_.steps, value);
  }

  void epoch() {
    if (batch_ == 0) {
      job_.begin_epoch();
      result_.train_loss = 0;
    }
    const Index batches = job_.batches();
    while (batch_ < batches && !interrupted()) {
      step();
      if (o_.checkpoints && batch_ < batches && o_.checkpoint_every > 0 && result_.steps % o_.checkpoint_every == 0)
        save();
    }
    // An interrupted run saves before it is judged: the run that goes on finishes the epoch, and is judged then.
    const bool whole = batch_ == batches;
    if (!whole && o_.checkpoints) save();
    if (!whole && batch_ == 0) return;
    const double value = judge();
    if (!whole) return;
    ++result_.epochs;
    batch_ = 0;
    if (o_.checkpoints) save(o_.validate ? std::optional<double>(value) : std::nullopt);
  }

  void step() {
    const double loss = job_.backward(batch_);
    if (!std::isfinite(loss)) {
      job_.optimizer.zero_grad();
      throw ValueError("[fit] the loss is ", std::isnan(loss) ? "not a number" : "infinite", " after ", result_.steps,
                       " steps, expected a finite number; a lower learning rate may help");
    }
    const bool logs = (result_.steps + 1) % o_.log_every == 0 && !o_.metrics.empty();
    FitStep s{.epoch = result_.epochs + 1, .loss = loss, .grad_norm = std::numeric_limits<double>::quiet_NaN()};
    if (o_.clip_value < kInfinity) clip_grad_value(job_.optimizer, o_.clip_value);
    if (o_.clip_norm < kInfinity || logs) s.grad_norm = clip_grad_norm(job_.optimizer, o_.clip_norm);
    if (o_.lr) job_.optimizer.set_lr(o_.lr(result_.steps));
    s.lr = job_.optimizer.lr();
    job_.optimizer.step();
    ++batch_;
    s.step = ++result_.steps;
    result_.train_loss += (loss - result_.train_loss) / static_cast<double>(batch_);
    s.train_loss = result_.train_loss;
    if (o_.on_step) o_.on_step(s);
    if (o_.progress) {
      char text[96];
      std::snprintf(text, sizeof text, "epoch %lld/%lld  loss %.3f", static_cast<long long>(s.epoch),
                    static_cast<long long>(o_.epochs), s.train_loss);
      progress_.show(static_cast<double>(s.step) * o_.items, text);
    } else {
      progress_.count(static_cast<double>(s.step) * o_.items);
    }
    if (logs)
      log({{"step", s.step},
           {"epoch", s.epoch},
           {"loss", s.loss},
           {"train_loss", s.train_loss},
           {"lr", s.lr},
           {"grad_norm", s.grad_norm},
           {"seconds", progress_.seconds()}});
  }

  double judge() {
    progress_.pause();
    FitEpoch e{.epoch = result_.epochs + 1,
               .epochs = o_.epochs,
               .step = result_.steps,
               .train_loss = result_.train_loss,
               .val_loss = o_.validate ? o_.validate() : std::numeric_limits<double>::quiet_NaN(),
               .seconds = progress_.seconds(),
               .items_per_second = progress_.rate()};
    if (e.val_loss < result_.best_loss) {
      e.best = true;
      result_.best_loss = e.val_loss;
      result_.best_epoch = e.epoch;
      copy_values(job_.parameters, best_);
    }
    progress_.clear();
    if (o_.on_epoch) {
      o_.on_epoch(e);
    } else if (o_.progress) {
      std::fprintf(stderr, "epoch %lld/%lld: training %.4f", static_cast<long long>(e.epoch),
                   static_cast<long long>(e.epochs), e.train_loss);
      if (o_.validate) std::fprintf(stderr, ", validation %.4f%s", e.val_loss, e.best ? "" : " (not the best)");
      std::fprintf(stderr, "\n");
    }
    MetricsLine line = {{"epoch", e.epoch}, {"step", e.step}, {"train_loss", e.train_loss}};
    if (o_.validate) line.insert(line.end(), {{"val_loss", e.val_loss}, {"best", e.best}});
    line.insert(line.end(),
                {{"lr", job_.optimizer.lr()}, {"seconds", e.seconds}, {o_.unit + "_per_second", e.items_per_second}});
    log(std::move(line));
    progress_.resume();
    return e.val_loss;
  }

  void log(MetricsLine line) {
    if (o_.metrics.empty()) return;
    if (o_.on_log) o_.on_log(line);
    for (MetricsFile* file : o_.metrics) file->write(line);
  }

  const FitJob<T>& job_;
  const FitOptions& o_;
  TrainingState state_;
  ParameterList<T> best_;
  FitResult result_;
  Index batch_ = 0;  // of the epoch begun
  Progress progress_;
  std::vector<Index> metrics_at_;
};

}  // namespace

template <class T>
FitResult run_fit(const FitJob<T>& job, const FitOptions& options) {
  check_options(options);
  return FitLoop<T>(job, options).run();
}

template FitResult run_fit(const FitJob<float>&, const FitOptions&);
template FitResult run_fit(const FitJob<double>&, const FitOptions&);

}  // namespace detail

ShuffledBatches::ShuffledBatches(Index n, Index batch_size, std::uint64_t seed)
    : n_(n), batch_size_(batch_size), rng_(seed) {
  if (n < 0 || batch_size < 1)
    throw ValueError("[ShuffledBatches] ", n, " items in batches of ", batch_size,
                     ", expected 0 or more in batches of at least 1");
}

void ShuffledBatches::begin_epoch() { order_ = rng_.permutation(n_); }

std::span<const Index> ShuffledBatches::batch(Index k) const {
  if (k < 0 || k >= size()) throw ValueError("[ShuffledBatches] batch ", k, " of ", size());
  if (order_.empty()) throw ValueError("[ShuffledBatches] batch() before the first begin_epoch()");
  const Index first = k * batch_size_;
  return std::span<const Index>(order_).subspan(first, std::min(batch_size_, n_ - first));
}

void ShuffledBatches::each_state(StateVisitor& visitor) {
  Rng::State words = rng_.state();
  std::int64_t numbers[5] = {static_cast<std::int64_t>(order_.size())};
  for (std::size_t i = 0; i < 4; ++i) numbers[i + 1] = static_cast<std::int64_t>(words[i]);
  visitor.array("rng", std::span<std::int64_t>(numbers));
  for (std::size_t i = 0; i < 4; ++i) words[i] = static_cast<std::uint64_t>(numbers[i + 1]);
  rng_.set_state(words);
  order_.resize(numbers[0]);
  visitor.array("order", std::span<std::int64_t>(order_));
}

}  // namespace unroll
