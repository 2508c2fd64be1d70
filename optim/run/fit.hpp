#pragma once
/// \file
/// A training loop for those who do not want to write one. docs/training.md shows the same by hand.

#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "../../core/shards.hpp"
#include "../optimizer.hpp"
#include "checkpoint.hpp"
#include "metrics_file.hpp"
#include "progress.hpp"

namespace unroll {

/// What a step did.
struct FitStep {
  Index step = 0;         ///< steps done, this one included
  Index epoch = 0;        ///< 1 for the first
  double loss = 0;        ///< of this batch
  double train_loss = 0;  ///< mean of the epoch's batches so far
  double lr = 0;
  double grad_norm = 0;  ///< before clipping; NaN where nobody asked for it
};

/// What an epoch did.
struct FitEpoch {
  Index epoch = 0, epochs = 0;  ///< 1 for the first; at most so many
  Index step = 0;               ///< steps done since the beginning
  double train_loss = 0;        ///< mean of its batches
  double val_loss = 0;          ///< NaN without validation
  bool best = false;            ///< the lowest val_loss so far
  double seconds = 0;           ///< of training since the beginning, without validation
  double items_per_second = 0;
};

struct FitOptions {
  Index epochs = 1;                                             ///< times through the data, at most
  double clip_value = std::numeric_limits<double>::infinity();  ///< clip_grad_value, before clip_norm
  double clip_norm = std::numeric_limits<double>::infinity();   ///< clip_grad_norm
  std::function<double(Index step)> lr = {};  ///< learning rate of step 0, 1, ...; none: the optimizer's own

  std::function<double()> validate =
      {};              ///< after each epoch: a loss, lower is better. The best weights come back at the end
  Index patience = 0;  ///< epochs without a better val_loss before it stops; 0: never before `epochs`

  Checkpoints* checkpoints = nullptr;  ///< goes on with the newest one there, saves after each epoch and at Ctrl-C
  Index checkpoint_every = 0;          ///< and every so many steps
  TrainingState state = {};            ///< what else belongs to the training: a Carry, an average, a schedule

  std::vector<MetricsFile*> metrics = {};  ///< a line every `log_every` steps and one an epoch
  Index log_every = 100;
  bool progress = true;          ///< a Progress bar on stderr, and a line an epoch where there is no `on_epoch`
  double items = 1;              ///< items in a batch, for the speed
  std::string unit = "batches";  ///< their name

  std::function<void(const FitStep&)> on_step = {};    ///< after each step: an average, a scheduler
  std::function<void(const FitEpoch&)> on_epoch = {};  ///< after each validation: print, a plateau's schedule
  std::function<void(MetricsLine&)> on_log = {};       ///< may add to each line before it is written
};

struct FitResult {
  Index steps = 0, epochs = 0;                                 ///< done, those before a resumption included
  double train_loss = 0;                                       ///< mean of the last epoch
  double best_loss = std::numeric_limits<double>::infinity();  ///< lowest val_loss
  Index best_epoch = 0;                                        ///< 0 when there was none
  double seconds = 0, items_per_second = 0;                    ///< of training, without validation
  bool interrupted = false;                                    ///< by Ctrl-C (catch_interrupts)
};

namespace detail {
template <class T>
struct FitJob {
  ParameterList<T> parameters = {};
  Optimizer<T>& optimizer;
  TrainingState state = {};
  std::function<Index()> batches = {};
  std::function<void()> begin_epoch = {};
  std::function<double(Index k)> backward = {};  // gradients of batch k; returns its loss
};
template <class T>
FitResult run_fit(const FitJob<T>& job, const FitOptions& options);
extern template FitResult run_fit(const FitJob<float>&, const FitOptions&);
extern template FitResult run_fit(const FitJob<double>&, const FitOptions&);
}  // namespace detail

/// Trains `model` on batches:
///
///     Shards<float> shards(2);                                    // two threads
///     ShuffledBatches batches(data.size(), 32, seed);
///     fit(model, adam, shards, batches, [&](std::span<const Index> items, Tape<float>&, int shard) {
///       return cross_entropy(model(inputs(items, shard)), targets(items, shard), {.denominator = n});
///     }, {.epochs = 10, .clip_norm = 1, .validate = [&] { return loss_on(dev); }, .patience = 3,
///         .checkpoints = &checkpoints});
///
/// For each batch: `loss(batch, tape, shard)` in a Recording on every shard, back-propagation, clipping, the learning
/// rate, the optimizer's step. After each epoch: validation, a checkpoint. With checkpoints it goes on where an older
/// run was ended or killed, to the same bits.
///
/// \param batches `size()` batches an epoch; `batch(k)` gives the k-th; `begin_epoch()`, if there is one, is called
///        before each, to shuffle; `each_state(visitor)`, if there is one, saves what is needed to give the same
///        batches again.
/// \param loss the loss of a shard's part, a scalar; parts are added up. Undefined when the shard has nothing to do.
///
/// Throws ValueError when a loss is not finite (nothing was changed by that batch), and what its parts throw.
template <class Model, class T, class Batches, class Loss> UNROLL_PER_ISA
FitResult fit(Model& model, Optimizer<T>& optimizer, Shards<T>& shards, Batches& batches, Loss&& loss,
              const FitOptions& options = {}) {
  detail::FitJob<T> job{.parameters = parameters_of<T>(model), .optimizer = optimizer};
  job.state.add("model", model).add("optimizer", optimizer).add("tapes", shards);
  if constexpr (HasState<Batches>) job.state.add("batches", batches);
  job.batches = [&] { return static_cast<Index>(batches.size()); };
  job.begin_epoch = [&] {
    if constexpr (requires { batches.begin_epoch(); }) batches.begin_epoch();
  };
  job.backward = [&](Index k) {
    auto&& batch = batches.batch(k);
    return shards.step([&](Tape<T>& tape, int shard) -> Variable<T> { return loss(batch, tape, shard); });
  };
  return detail::run_fit(job, options);
}

/// Items 0 .. n-1 in a new random order every epoch, in batches of `batch_size` (the last one may be smaller).
class ShuffledBatches {
 public:
  /// Throws ValueError on a negative n or a batch below 1.
  ShuffledBatches(Index n, Index batch_size, std::uint64_t seed = 0);

  Index size() const { return (n_ + batch_size_ - 1) / batch_size_; }
  void begin_epoch();
  /// Good until the next epoch begins.
  std::span<const Index> batch(Index k) const;
  void each_state(StateVisitor& visitor);

 private:
  Index n_, batch_size_;
  Rng rng_;
  std::vector<Index> order_;
};

}  // namespace unroll
