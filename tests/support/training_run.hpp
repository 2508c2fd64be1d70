#pragma once
// A small training with everything that a checkpoint must hold: two shards with dropout, states carried from batch to
// batch, shuffled data, momentum, an average of the weights, validation. And how it is killed.

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include "temporary_folder.hpp"
#include "unroll/core/shards.hpp"
#include "unroll/data/files/atomic_file.hpp"
#include "unroll/data/tensors/parameter_file.hpp"
#include "unroll/nn/bptt/carry.hpp"
#include "unroll/nn/embedding.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/ops/dropout.hpp"
#include "unroll/ops/losses.hpp"
#include "unroll/optim/adam.hpp"
#include "unroll/optim/run/checkpoint.hpp"
#include "unroll/optim/run/fit.hpp"
#include "unroll/optim/weight_average.hpp"

namespace unroll::test {

struct SmallModel {
  using scalar = float;
  explicit SmallModel(Rng& rng) : embed(5, 4, rng), rnn(4, 6, rng), out(6, 5, rng) {}
  void each(auto&& visit) { visit("embed", embed), visit("rnn", rnn), visit("out", out), visit("dropout", dropout); }
  Embedding<> embed;
  Rnn<GRUCell<>> rnn;
  Linear<> out;
  double dropout = 0.2;
};

/// Sequences of 6 steps; the next symbol is to be guessed.
struct SmallRun {
  static constexpr Index steps = 6, rows = 4, items = 40;

  explicit SmallRun(Index batches_in_epoch = 10)
      : rng(7),
        model(rng),
        adam(parameters(model), {.lr = 0.02, .weight_decay = 0.01}),
        average(parameters(model), {.decay = 0.9}),
        shards(2, 11),
        batches(batches_in_epoch * rows, rows, 5),
        carries(2) {
    Rng data(3);
    for (Index i = 0; i < items * (steps + 1); ++i) symbols.push_back(data.integer(3) + (i % 3 == 0 ? 2 : 0));
  }

  Variable<> loss(std::span<const Index> batch, int shard) {
    const auto half = batch.subspan(static_cast<std::size_t>(shard) * rows / 2, rows / 2);
    std::vector<Index> inputs, targets;
    for (Index t = 0; t < steps; ++t)
      for (const Index item : half) {
        const auto at = static_cast<std::size_t>(item % items * (steps + 1) + t);
        inputs.push_back(symbols[at]);
        targets.push_back(symbols[at + 1]);
      }
    auto& carry = carries[static_cast<std::size_t>(shard)];
    const auto e = model.embed(inputs, Shape{steps, rows / 2});
    const auto h = carry.empty() ? model.rnn.run(e) : model.rnn.run(e, carry.state());
    carry.assign(h.final_state);
    return softmax_cross_entropy(model.out(unroll::dropout(h.outputs, model.dropout)), std::span<const Index>(targets),
                                 {.denominator = steps * rows});
  }

  double validate() {
    const Evaluation scope(shards.tape(0));
    const auto e = model.embed(std::vector<Index>{0, 1, 2, 3}, Shape{4, 1});
    return softmax_cross_entropy(model.out(model.rnn(e)), std::vector<Index>{1, 2, 3, 4}).item();
  }

  static double rate(Index step) { return 0.02 / (1 + 0.1 * static_cast<double>(step)); }

  FitOptions options(Index epochs) {
    FitOptions o{.epochs = epochs, .clip_norm = 0.5, .lr = rate, .progress = false};
    o.validate = [this] { return validate(); };
    o.on_step = [this](const FitStep&) { average.update(); };
    o.on_epoch = [this](const FitEpoch&) {
      for (auto& carry : carries) carry.clear();
    };
    o.state.add("average", average).add("carries", carries);
    return o;
  }
  FitResult fit(const FitOptions& o) {
    return unroll::fit(
        model, adam, shards, batches, [this](auto batch, Tape<float>&, int shard) { return loss(batch, shard); }, o);
  }

  /// Everything that the training has made, as bits.
  std::vector<float> weights() const {
    std::vector<float> all;
    for (const auto& p : parameters(model))
      all.insert(all.end(), p.storage->value, p.storage->value + p.storage->shape.size());
    for (std::size_t i = 0; i < average.parameters().size(); ++i)
      all.insert(all.end(), average.values(i).begin(), average.values(i).end());
    return all;
  }

  Rng rng;
  SmallModel model;
  Adam<float> adam;
  WeightAverage<float> average;
  Shards<float> shards;
  ShuffledBatches batches;
  std::vector<Carry<Variable<>>> carries;
  std::vector<Index> symbols;
};

/// The training as a process of its own: a checkpoint after every step, a byte to `report` for each, its weights in
/// `<folder>/final` at the end.
inline void train_process(const std::string& folder, Index epochs, Index batches, int report) {
  SmallRun run(batches);
  Checkpoints checkpoints(folder + "/run", {.keep = 2});
  MetricsFile metrics(folder + "/metrics.jsonl");
  FitOptions o = run.options(epochs);
  o.checkpoints = &checkpoints;
  o.checkpoint_every = 1;
  o.metrics = {&metrics};
  o.log_every = 1;
  o.on_log = [](MetricsLine& line) {  // what the clock says differs from run to run
    std::erase_if(line, [](const auto& figure) { return figure.first.find("second") != std::string::npos; });
  };
  o.on_step = [&, before = o.on_step](const FitStep& s) {
    before(s);
    if (report >= 0 && ::write(report, ".", 1) != 1) ::_exit(3);
  };
  run.fit(o);
  const std::vector<float> weights = run.weights();
  atomic_write(folder + "/final", std::as_bytes(std::span(weights)));
}

struct KillReport {
  int kills = 0;         ///< processes killed
  int half_written = 0;  ///< kills that left a half-written file
  int unreadable = 0;    ///< checkpoints damaged after a kill
  bool same_weights = false, same_metrics = false;
  std::string trouble;  ///< why it ended early, if it did
};

/// Trains once without disturbance and once with `kills` kills at random moments, every fourth of them in the middle of
/// writing a checkpoint (the kernel ends a process whose file grows past its limit).
inline KillReport kill_training(int kills, Index epochs, Index batches, std::uint64_t seed) {
  KillReport report;
  const TemporaryFolder calm, rough;
  Rng rng(seed);
  const auto start = [&](const std::string& folder, int report_to, rlim_t most_bytes) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    if (most_bytes > 0) {
      const rlimit no_core{0, 0}, size{most_bytes, most_bytes};
      ::setrlimit(RLIMIT_CORE, &no_core);
      ::setrlimit(RLIMIT_FSIZE, &size);
    }
    try {
      train_process(folder, epochs, batches, report_to);
    } catch (const std::exception& e) {
      std::fprintf(stderr, "%s\n", e.what());
      ::_exit(1);
    }
    ::_exit(0);
  };
  const auto wait = [](pid_t child) {
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
  };
  if (wait(start(calm.file(""), -1, 0)) != 0) {
    report.trouble = "the undisturbed training failed";
    return report;
  }
  const Index size = static_cast<Index>(std::filesystem::file_size(Checkpoints(calm.file("run")).files().at(0)));

  const Checkpoints checkpoints(rough.file("run"));
  for (; report.kills < kills; ++report.kills) {
    int pipe[2];
    if (::pipe(pipe) != 0) return report;
    const bool by_size = report.kills % 4 == 3;
    const pid_t child = start(rough.file(""), pipe[1], by_size ? static_cast<rlim_t>(1 + rng.integer(size)) : 0);
    ::close(pipe[1]);
    if (!by_size) {
      char byte = 0;
      for (Index steps = rng.integer(4); steps > 0 && ::read(pipe[0], &byte, 1) == 1;) --steps;
      ::usleep(static_cast<useconds_t>(rng.integer(2500)));
      ::kill(child, SIGKILL);
    }
    const int status = wait(child);
    ::close(pipe[0]);
    if (WIFEXITED(status)) {
      report.trouble = "the training ended by itself, status " + std::to_string(WEXITSTATUS(status)) + ", after " +
                       std::to_string(report.kills) + " kills";
      return report;
    }
    for (const auto& entry : std::filesystem::directory_iterator(rough.file("")))
      report.half_written += entry.path().extension() == ".tmp";
    for (const std::string& file : checkpoints.files()) {
      try {
        check_checkpoint(file);
      } catch (const FileError& e) {
        ++report.unreadable;
        report.trouble = e.what();
      }
    }
  }
  if (wait(start(rough.file(""), -1, 0)) != 0) {
    report.trouble = "the resumed training failed";
    return report;
  }
  report.same_weights = file_bytes(calm.file("final")) == file_bytes(rough.file("final"));
  report.same_metrics = file_bytes(calm.file("metrics.jsonl")) == file_bytes(rough.file("metrics.jsonl"));
  return report;
}

}  // namespace unroll::test
