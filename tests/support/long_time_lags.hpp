#pragma once
// The classical long-time-lag problems, learned: small in test_long_time_lags.cpp, in full size in slow_*.cpp.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <concepts>
#include <span>
#include <vector>

#include "common/long_time_lags.hpp"
#include "unroll/nn/embedding.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/ops/gather.hpp"
#include "unroll/ops/losses.hpp"
#include "unroll/optim/adam.hpp"
#include "unroll/optim/clip.hpp"

namespace unroll::test {

/// Adds `value` to the bias of gate number `gate`, of a cell as PyTorch has them.
template <class C>
void add_gate_bias(C& cell, Index gate, float value) {
  const Index h = cell.hidden_size();
  for (float& b :
       cell.bias_ih.mutable_values().subspan(static_cast<std::size_t>(gate * h), static_cast<std::size_t>(h)))
    b += value;
}

/// Gates that remember from the start: open what keeps (forget gate of an LSTM, z of a GRU), and close what writes, as
/// Hochreiter and Schmidhuber did. Without it the error signal of a hundred steps ago is nothing but noise at first.
template <class C>
void remember_from_the_start(C& cell, float keep, float write) {
  add_gate_bias(cell, 1, keep);
  if constexpr (std::same_as<C, LSTMCell<float>>) add_gate_bias(cell, 0, write);
}

/// The rate for a training that has come to `done` in 0 .. 1: constant for the first half, then down to 2 %.
inline double rate_at(double lr, double done, double constant = 0.5) {
  return lr * std::clamp((1 - done) / (1 - constant), 0.02, 1.0);
}

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// ---- embedded Reber grammar ----------------------------------------------------------------------------------------

/// An LSTM of 5 units that reads one-hot letters and says what may come next.
class ReberModel {
 public:
  using scalar = float;
  explicit ReberModel(Rng& rng) : rnn(LSTMCell<float>(letters, 5, rng, {.biases = Biases::one})), out(5, letters, rng) {
    for (Parameter<float>* p : {&rnn.cell.weight_ih, &rnn.cell.weight_hh})
      for (float& w : p->mutable_values()) w *= 2;
    add_gate_bias(rnn.cell, 1, 3);
  }
  /// Logits (N, 7) of the symbol after each.
  Sequence<float> operator()(Tape<float>& tape, std::span<const examples::ReberString> strings) const {
    std::vector<std::vector<Index>> inputs;
    for (const auto& s : strings) inputs.push_back(s.inputs());
    const PackedIds ids = pack_ids(tape, std::span<const std::vector<Index>>(inputs));
    const auto y = rnn(Sequence<float>{one_hot(Indices(ids.ids), letters), ids.layout});
    return y.with(out(y.rows));
  }
  void each(auto&& visit) { visit("rnn", rnn), visit("out", out); }

  static constexpr Index letters = examples::reber_alphabet;
  Rnn<LSTMCell<float>> rnn;
  Linear<float> out;
};

/// How many of `count` fresh strings have at some step an illegal symbol before a legal one.
inline Index wrong_strings(Tape<float>& tape, const ReberModel& model, Index count, Rng& rng) {
  std::vector<examples::ReberString> strings;
  for (Index i = 0; i < count; ++i) strings.push_back(examples::embedded_reber_string(rng));
  Evaluation<float> scope(tape);
  const Sequence<float> y = model(tape, strings);
  const auto values = y.rows.values();
  Index wrong = 0;
  for (std::size_t b = 0; b < strings.size(); ++b) {
    bool right = true;
    for (std::size_t t = 0; t < strings[b].legal.size(); ++t) {
      const auto row = static_cast<std::size_t>(y.layout->first[t] + y.layout->place[b]);
      right = right && examples::legal_first(values.subspan(row * 7, 7), strings[b].legal[t]);
    }
    wrong += !right;
  }
  return wrong;
}

struct ReberResult {
  Index weights = 0;
  Index sequences = 0;  ///< read when the exam was passed; 0: never
  Index wrong = 0;      ///< of the last exam
  double seconds = 0;
};

/// Online training, string by string, up to `limit` of them. After every thousand there is an exam: `exam` fresh
/// strings, in each of which at every step the legal symbols must be those of the largest outputs. All right ends it.
inline ReberResult learn_reber(std::uint64_t seed, Index limit, Index exam) {
  const Stopwatch watch;
  Rng rng(seed), data = rng.split(), exams = rng.split();
  ReberModel model(rng);
  const auto list = parameters(model);
  Adam<float> adam(list, {.lr = 1e-2, .beta2 = 0.99});
  Tape<float> tape;
  ReberResult result{.weights = parameter_count(model)};
  for (Index i = 1; i <= limit && result.sequences == 0; ++i) {
    adam.set_lr(rate_at(1e-2, static_cast<double>(i) / static_cast<double>(limit), 0.8));
    const std::vector<examples::ReberString> one = {examples::embedded_reber_string(data)};
    {
      Recording<float> scope(tape);
      const std::vector<std::vector<Index>> targets = {one[0].targets()};
      tape.backward(softmax_cross_entropy(model(tape, one), targets));
      clip_grad_norm(list, 1.0);
      adam.step();
    }
    if (i % 1000 != 0) continue;
    result.wrong = wrong_strings(tape, model, exam, exams);
    if (result.wrong == 0) result.sequences = i;
  }
  result.seconds = watch.seconds();
  return result;
}

// ---- adding problem ------------------------------------------------------------------------------------------------

struct LagTraining {
  Index hidden = 16, batch = 16, updates = 1500;
  double lr = 0.01;
  float keep = 5, write = -2;  ///< see remember_from_the_start
  double clip = 1;             ///< largest norm of the gradient
};

/// Trains on fresh sequences all the time; the share of `count` fresh ones whose error is below 0.04.
template <class C>
double learn_adding(std::uint64_t seed, Index steps, Index count, const LagTraining& o) {
  Rng rng(seed), data = rng.split(), test = rng.split();
  Rnn<C> rnn(examples::AddingBatch::features, o.hidden, rng);
  const Linear<float> out(o.hidden, 1, rng);
  remember_from_the_start(rnn.cell, o.keep, o.write);
  const auto list = parameters(rnn, out);
  Adam<float> adam(list, {.lr = o.lr});
  Tape<float> tape;
  const auto answer = [&](const examples::AddingBatch& b) {
    return out(last(rnn(sequence(b.sequences, examples::AddingBatch::features))));
  };
  for (Index i = 0; i < o.updates; ++i) {
    adam.set_lr(rate_at(o.lr, static_cast<double>(i) / static_cast<double>(o.updates)));
    const auto batch = examples::adding_problem(o.batch, steps, data);
    Recording<float> scope(tape);
    tape.backward(squared_error(answer(batch), input(batch.targets, Shape{o.batch, 1})));
    clip_grad_norm(list, o.clip);
    adam.step();
  }
  const auto fresh = examples::adding_problem(count, steps, test);
  Evaluation<float> scope(tape);
  const auto y = answer(fresh).to_vector();
  Index right = 0;
  for (std::size_t b = 0; b < y.size(); ++b)
    right += static_cast<double>(std::abs(y[b] - fresh.targets[b])) < examples::AddingBatch::bound;
  return static_cast<double>(right) / static_cast<double>(count);
}

// ---- copying task --------------------------------------------------------------------------------------------------

/// Trains on fresh sequences all the time; the share of right letters among the ten to be said at the end of each of
/// `count` fresh ones (chance: 1/8).
template <class C>
double learn_copying(std::uint64_t seed, Index gap, Index count, const LagTraining& o) {
  using examples::CopyingBatch;
  Rng rng(seed), data = rng.split(), test = rng.split();
  const Embedding<float> embed(CopyingBatch::alphabet, 16, rng);
  Rnn<C> rnn(16, o.hidden, rng);
  const Linear<float> out(o.hidden, CopyingBatch::letters + 1, rng);
  remember_from_the_start(rnn.cell, o.keep, o.write);
  const auto list = parameters(embed, rnn, out);
  Adam<float> adam(list, {.lr = o.lr});
  Tape<float> tape;
  const auto answer = [&](const CopyingBatch& b) {
    const PackedIds ids = pack_ids(tape, std::span<const std::vector<Index>>(b.inputs));
    const auto y = rnn(Sequence<float>{embed(Indices(ids.ids)), ids.layout});
    return y.with(out(y.rows));
  };
  for (Index i = 0; i < o.updates; ++i) {
    adam.set_lr(rate_at(o.lr, static_cast<double>(i) / static_cast<double>(o.updates)));
    const CopyingBatch batch = examples::copying_task(o.batch, gap, data);
    Recording<float> scope(tape);
    tape.backward(softmax_cross_entropy(answer(batch), batch.targets));
    clip_grad_norm(list, o.clip);
    adam.step();
  }
  const CopyingBatch fresh = examples::copying_task(count, gap, test);
  Evaluation<float> scope(tape);
  const Sequence<float> y = answer(fresh);
  const auto values = y.rows.values();
  constexpr auto width = static_cast<std::size_t>(CopyingBatch::letters + 1);
  Index right = 0;
  for (std::size_t b = 0; b < fresh.targets.size(); ++b)
    for (Index t = y.layout->steps - CopyingBatch::length; t < y.layout->steps; ++t) {
      const auto row = values.subspan(static_cast<std::size_t>(y.layout->first[t] + y.layout->place[b]) * width, width);
      right += std::max_element(row.begin(), row.end()) - row.begin() == fresh.targets[b][static_cast<std::size_t>(t)];
    }
  return static_cast<double>(right) / static_cast<double>(count * CopyingBatch::length);
}

}  // namespace unroll::test
