#pragma once
/// \file
/// Any model that says how likely a sequence is, as a component of a Mixture: its M-step is gradient steps.

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../../core/tape.hpp"
#include "../../nn/module.hpp"
#include "../../ops/elementwise.hpp"
#include "../../ops/reduce.hpp"
#include "../adam.hpp"
#include "../clip.hpp"

namespace unroll {

struct TrainedComponentOptions {
  Index steps = 10;  ///< of Adam in each M-step
  double lr = 1e-2;
  double clip = 1;  ///< largest norm of the gradient
};

/// A module and a function of it and the data that gives log p of each of the N sequences, (N) or (N, 1), on the tape:
///
///     const auto log_p = [](const Model& m, const Data& d) { return -2.f * sum(m.squared_errors(d), 0); };
///     std::vector<TrainedComponent<Model, decltype(log_p)>> parts;
///     for (int k = 0; k < 3; ++k) parts.emplace_back(Model(rng), log_p);      // each begins differently
///     Mixture mixture(std::move(parts));
///
/// M-step: `steps` steps of Adam down  - sum_n w_n log p(n) / sum_n w_n;  none when all weights are 0. Each raises the
/// likelihood where the rate is small enough, which makes expectation-maximisation the generalised one. Moves, with a
/// tape and an optimizer of its own.
template <class M, class LogLikelihood>
class UNROLL_PER_ISA TrainedComponent {
 public:
  using scalar = scalar_of<M>;

  TrainedComponent(M model, LogLikelihood log_likelihood, const TrainedComponentOptions& options = {})
      : module(std::move(model)),
        log_likelihood_(std::move(log_likelihood)),
        options_(options),
        tape_(std::make_unique<Tape<scalar>>()),
        adam_(std::make_unique<Adam<scalar>>(parameters(module), AdamOptions{.lr = options.lr})) {}

  template <class Data>
  void log_likelihoods(const Data& data, std::span<double> out) const {
    const Evaluation<scalar> scope(*tape_);
    const auto values = checked(data, out.size()).to_vector();
    for (std::size_t n = 0; n < out.size(); ++n) out[n] = static_cast<double>(values[n]);
  }

  template <class Data>
  void fit(const Data& data, std::span<const double> weights) {
    double sum = 0;
    for (const double w : weights) sum += w;
    if (!(sum > 0)) return;
    std::vector<scalar> shares;
    for (const double w : weights) shares.push_back(static_cast<scalar>(-w / sum));
    for (Index i = 0; i < options_.steps; ++i) {
      const Recording<scalar> scope(*tape_);
      const auto y = checked(data, weights.size());
      tape_->backward(unroll::sum(y * input(shares, y.shape())));
      clip_grad_norm(*adam_, options_.clip);
      adam_->step();
    }
  }

  M module;

 private:
  template <class Data>
  Variable<scalar> checked(const Data& data, std::size_t count) const {
    const Variable<scalar> y = log_likelihood_(module, data);
    if (static_cast<std::size_t>(y.size()) != count)
      throw ShapeError("[TrainedComponent] log-likelihoods ", y.shape().str(), " for ", count, " sequences");
    return y;
  }

  LogLikelihood log_likelihood_;
  TrainedComponentOptions options_;
  std::unique_ptr<Tape<scalar>> tape_;
  std::unique_ptr<Adam<scalar>> adam_;
};

}  // namespace unroll
